/** One node of a story: its core, and a disk that outlives it. */
import type {
  CoreConfig,
  Entry,
  HardState,
  LogBase,
  RaftEffect,
  RaftInput,
  SnapshotId,
  SnapshotMeta,
} from '../../src/index.ts';
import type { PersistEffect } from '../../src/core/inputs-and-effects.ts';
import { entriesBehind } from '../../src/memory-storage.ts';
import { Bench } from './bench.ts';

interface Snapshot {
  readonly id: SnapshotId;
  readonly meta: SnapshotMeta;
}

export class Actor {
  readonly name: string;
  readonly #config: Partial<CoreConfig>;
  readonly #seed: number;
  /** What its proposals, reads and the like are called, by reference. */
  readonly labels = new Map<number, string>();
  bench: Bench;
  isUp = true;
  hardState: HardState = { term: 0, vote: null };
  base: LogBase = { index: 0, term: 0 };
  entries: Entry[] = [];
  snapshot: Snapshot | null = null;
  #unwritten: PersistEffect[] = [];
  #starts = 0;
  #ref = 1000;

  constructor(config: Partial<CoreConfig> & { readonly nodeId: string }, seed: number) {
    this.name = config.nodeId;
    this.#config = config;
    this.#seed = seed;
    this.bench = this.#start();
  }

  /** A reference that the bench's own counter does not reach. */
  newRef(label: string): number {
    this.labels.set(++this.#ref, label);
    return this.#ref;
  }

  /** What was not on the disk is lost, and so is all that it knew. */
  crash(): void {
    this.isUp = false;
    this.#unwritten = [];
    this.labels.clear();
  }

  /** Its state machine is what its snapshot holds. */
  restart(): void {
    this.isUp = true;
    this.bench = this.#start();
  }

  /** Everything written so far is on the disk. */
  sync(): void {
    for (const write of this.#unwritten) this.#write(write);
    this.#unwritten = [];
    this.bench.sync();
  }

  /**
   * Does what an effect asks of disk and state machine.
   * @param snapshots those of all nodes, by their checksum: it stands for the bytes.
   * @returns the inputs that answer it.
   */
  serve(effect: RaftEffect, snapshots: Map<number, Snapshot>): readonly RaftInput[] {
    switch (effect.type) {
      case 'persist':
        if (this.bench.syncs) this.#write(effect);
        else this.#unwritten.push(effect);
        return [];
      case 'takeSnapshot': {
        const { index, term } = effect.meta;
        const id = { index, term, bytes: 2500, crc: snapshots.size + 1 };
        this.snapshot = { id, meta: effect.meta };
        snapshots.set(id.crc, this.snapshot);
        return [{ type: 'IMAGE_TAKEN' }, { type: 'SNAPSHOT_SAVED', id }];
      }
      case 'readSnapshot': {
        const { to, id, offset, length } = effect;
        const bytes = new Uint8Array(Math.min(length, id.bytes - offset));
        return [{ type: 'SNAPSHOT_READ', to, id, offset, bytes }];
      }
      case 'writePiece':
        return [{ type: 'PIECE_WRITTEN', id: effect.id, end: effect.offset + effect.bytes.length }];
      case 'checkSnapshot': {
        const received = snapshots.get(effect.id.crc) ?? null;
        if (received !== null) this.snapshot = received;
        return [{ type: 'SNAPSHOT_CHECKED', id: effect.id, meta: received?.meta ?? null }];
      }
      case 'installSnapshot':
        return [{ type: 'SNAPSHOT_INSTALLED' }];
      case 'apply':
      case 'changed':
      case 'keepSnapshots':
      case 'leaderChanged':
      case 'leftOut':
      case 'membersChanged':
      case 'rejected':
      case 'respond':
      case 'roleChanged':
      case 'send':
      case 'snapshotEnded':
      case 'snapshotFailed':
      case 'snapshotInstalled':
      case 'snapshotTaken':
      case 'stopped':
      case 'transferred':
        return [];
    }
  }

  #start(): Bench {
    const { hardState, base, entries, snapshot } = this;
    const {
      index: appliedIndex,
      sessions,
      configuration,
    } = snapshot?.meta ?? {
      index: 0,
      sessions: [],
      configuration: null,
    };
    const past = {
      hardState,
      base,
      entries,
      appliedIndex,
      sessions,
      snapshot: snapshot?.id ?? null,
      configuration,
    };
    return new Bench(this.#config, past, this.#seed + 100 * this.#starts++);
  }

  #write({ hardState, base, truncateAfter, entries }: PersistEffect): void {
    if (hardState !== null) this.hardState = hardState;
    if (base !== null) {
      this.entries = entriesBehind(base, this.base, this.entries);
      this.base = base;
    }
    if (truncateAfter !== null) this.entries = this.entries.slice(0, truncateAfter - this.base.index);
    this.entries = [...this.entries, ...entries];
  }
}
