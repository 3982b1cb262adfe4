/**
 * Client sessions (thesis 6.3): a command that arrives twice is applied once, and the second gets the first one's result.
 *
 * The table is a function of the applied log alone, so it is the same on every replica. A session remembers its highest sequences;
 * which session is the least recently used is judged by log index. What a duplicate does is nothing: it does not count as a use,
 * because the state machine, which hands the table back after a restart, never sees it.
 */
import type { SessionKey, SessionRecord } from './types.ts';

/** An opening may name an owner; more bytes than this are not looked at. */
export const ownerBytesMax = 256;

/** The owner that an opening's entry names: any bytes give the same text on every replica. */
export const readOwner = (command: Uint8Array): string =>
  command.length === 0 ? '' : new TextDecoder().decode(command.subarray(0, ownerBytesMax));

/** The result, or where in the batch under way it will be. */
export interface Slot {
  result: Uint8Array | null;
  position: number;
}

interface Session {
  readonly owner: string;
  lastIndex: number;
  highest: number;
  readonly slots: Map<number, Slot>;
}

export type Judgement =
  | { readonly type: 'fresh' }
  | { readonly type: 'duplicate'; readonly slot: Slot }
  | { readonly type: 'expired' }
  | { readonly type: 'tooOld' };

export type SessionsCheckpoint = readonly {
  readonly clientId: number;
  readonly owner: string;
  readonly lastIndex: number;
  readonly highest: number;
  readonly slots: readonly (readonly [number, Slot])[];
}[];

export class Sessions {
  readonly #sessionsMax: number;
  readonly #resultsMax: number;
  // In order of last use: a use takes a session out and puts it at the end.
  readonly #sessions = new Map<number, Session>();

  constructor(limits: { readonly sessionsMax: number; readonly sessionResultsMax: number }) {
    this.#sessionsMax = limits.sessionsMax;
    this.#resultsMax = limits.sessionResultsMax;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Opens the session of this index; returns the one that had to make room, if any. */
  open(index: number, owner = ''): number | null {
    this.#sessions.set(index, { owner, lastIndex: index, highest: 0, slots: new Map() });
    if (this.#sessions.size <= this.#sessionsMax) return null;
    const [oldest] = this.#sessions.keys();
    if (oldest === undefined) return null;
    this.#sessions.delete(oldest);
    return oldest;
  }

  /** Whose session this is, '' when nobody said; undefined when there is none. */
  ownerOf(clientId: number): string | undefined {
    return this.#sessions.get(clientId)?.owner;
  }

  judge({ clientId, sequence }: SessionKey): Judgement {
    const session = this.#sessions.get(clientId);
    if (session === undefined) return { type: 'expired' };
    // First, so that a result which happens to be still there makes no difference between replicas.
    if (sequence <= session.highest - this.#resultsMax) return { type: 'tooOld' };
    const slot = session.slots.get(sequence);
    return slot === undefined ? { type: 'fresh' } : { type: 'duplicate', slot };
  }

  /** Takes note of a fresh command; the result is filled in when it has been applied. */
  use({ clientId, sequence }: SessionKey, index: number, position: number): Slot {
    const slot: Slot = { result: null, position };
    const session = this.#sessions.get(clientId);
    if (session === undefined) return slot;
    session.lastIndex = index;
    session.slots.set(sequence, slot);
    this.#sessions.delete(clientId);
    this.#sessions.set(clientId, session);
    if (sequence > session.highest) {
      const floor = sequence - this.#resultsMax;
      if (sequence === session.highest + 1) session.slots.delete(floor);
      else for (const old of session.slots.keys()) if (old <= floor) session.slots.delete(old);
      session.highest = sequence;
    }
    return slot;
  }

  /** Takes over what the state machine kept; the same window applies, whatever it kept beyond it. */
  load(records: readonly SessionRecord[]): void {
    this.#sessions.clear();
    for (const { clientId, lastIndex, owner = '', results } of [...records].sort(
      (a, b) => a.lastIndex - b.lastIndex,
    )) {
      const highest = results.reduce((most, { sequence }) => Math.max(most, sequence), 0);
      const kept = results.filter(({ sequence }) => sequence > highest - this.#resultsMax);
      const slots = new Map(kept.map(({ sequence, result }) => [sequence, { result, position: -1 }]));
      this.#sessions.set(clientId, { owner, lastIndex, highest, slots });
    }
  }

  /** All of it, as `load` takes it; every result must be known. */
  records(): readonly SessionRecord[] {
    return [...this.#sessions].map(([clientId, { owner, lastIndex, highest, slots }]) => ({
      clientId,
      lastIndex,
      owner,
      results: [...slots]
        .filter(([sequence]) => sequence > highest - this.#resultsMax)
        .map(([sequence, { result }]) => ({ sequence, result: result ?? new Uint8Array(0) })),
    }));
  }

  checkpoint(): SessionsCheckpoint {
    return [...this.#sessions].map(([clientId, { owner, lastIndex, highest, slots }]) => ({
      clientId,
      owner,
      lastIndex,
      highest,
      slots: [...slots].map(([sequence, slot]) => [sequence, { ...slot }] as const),
    }));
  }

  restore(from: SessionsCheckpoint): void {
    this.#sessions.clear();
    for (const { clientId, owner, lastIndex, highest, slots } of from) {
      const copies = new Map(slots.map(([sequence, slot]) => [sequence, { ...slot }]));
      this.#sessions.set(clientId, { owner, lastIndex, highest, slots: copies });
    }
  }
}
