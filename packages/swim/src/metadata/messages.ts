/** What our nodes say to one another about their maps. Serf agents never get any of it. */
import type { Life, Version } from './life.ts';

export interface WrittenEntry {
  readonly key: string;
  /** Null: deleted. */
  readonly value: Uint8Array | null;
  /** The write that it comes from. */
  readonly counter: number;
}

/** The writes of an owner after `from`, up to `upTo`; or its map whole. */
export interface MapDelta extends Life {
  readonly owner: string;
  readonly from: number;
  readonly upTo: number;
  /** Deletions up to this write are not told any more. */
  readonly collectedTo: number;
  readonly whole: boolean;
  /** In the order of their writes. */
  readonly entries: readonly WrittenEntry[];
}

export interface OwnerVersion extends Version {
  readonly owner: string;
}

/** A hash over all versions: equal means that there is nothing to tell. */
export interface Summary {
  readonly type: 'summary';
  readonly from: string;
  readonly hash: number;
}

/** Every version that the sender has of owners after `after`, up to and with `until` (empty: to the end), by name. */
export interface Digest {
  readonly type: 'digest';
  readonly from: string;
  readonly after: string;
  readonly until: string;
  readonly versions: readonly OwnerVersion[];
}

/** `offer`: the sender has these. `want`: the sender has no more than these, and asks for what is newer. */
export interface Versions {
  readonly type: 'offer' | 'want';
  readonly from: string;
  readonly versions: readonly OwnerVersion[];
}

export interface Deltas {
  readonly type: 'deltas';
  readonly from: string;
  /** There is more than one answer may hold: ask again. */
  readonly more: boolean;
  readonly deltas: readonly MapDelta[];
}

export type MetadataMessage = Summary | Digest | Versions | Deltas;
