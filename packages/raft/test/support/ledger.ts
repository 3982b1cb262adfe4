import { type ClusterError, type Done, runTask, type Task, wait } from '@cluster/core';
import type {
  ApplyBatch,
  ByteSource,
  SessionRecord,
  SnapshotMeta,
  StateImages,
  StateMachine,
} from '../../src/index.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const text = (value: string): Uint8Array => encoder.encode(value);
export const words = (bytes: Uint8Array): string => decoder.decode(bytes);

interface Kept {
  readonly owner: string | undefined;
  lastIndex: number;
  readonly results: { readonly sequence: number; readonly result: Uint8Array }[];
}

/** A state machine that writes down every command; the result is the number of the line. It outlives its replica. */
export class Ledger implements StateMachine {
  readonly lines: string[] = [];
  readonly batches: ApplyBatch[] = [];
  appliedIndex = 0;
  readonly sessions = new Map<number, Kept>();
  /** When set, `apply` waits for `release`. */
  isSlow = false;
  failWith: ClusterError | null = null;
  #held: (() => void)[] = [];

  restore(done: Done<{ readonly appliedIndex: number; readonly sessions: readonly SessionRecord[] }>): void {
    const sessions = [...this.sessions].map(([clientId, { owner, lastIndex, results }]) => ({
      clientId,
      owner,
      lastIndex,
      results: [...results],
    }));
    done({ ok: true, value: { appliedIndex: this.appliedIndex, sessions } });
  }

  apply(batch: ApplyBatch, done: Done<readonly Uint8Array[]>): void {
    const run = (): void => {
      if (this.failWith !== null) return done({ ok: false, error: this.failWith });
      done({ ok: true, value: this.#apply(batch) });
    };
    if (this.isSlow) this.#held.push(run);
    else run();
  }

  /** Images taken and installed, in order. */
  readonly imageIndexes: number[] = [];
  readonly images: StateImages = {
    take: (done) => done({ ok: true, value: piecesOf(text(this.lines.join('\n')), 50) }),
    install: (meta, image, done) => runTask(this.#install(meta, image), done),
  };

  *#install({ index, sessions }: SnapshotMeta, image: ByteSource): Task<void> {
    const bytes: number[] = [];
    for (;;) {
      const piece = yield* wait<Uint8Array | null>((done) => image.next(done));
      if (piece === null) break;
      bytes.push(...piece);
    }
    const lines = words(Uint8Array.from(bytes)).split('\n');
    this.lines.splice(0, this.lines.length, ...(bytes.length === 0 ? [] : lines));
    this.appliedIndex = index;
    this.sessions.clear();
    for (const { clientId, owner, lastIndex, results } of sessions) {
      this.sessions.set(clientId, { owner, lastIndex, results: [...results] });
    }
    this.imageIndexes.push(index);
  }

  /** As a process that kept nothing but its disk. */
  forget(): void {
    this.lines.length = 0;
    this.sessions.clear();
    this.appliedIndex = 0;
  }

  release(): void {
    for (const run of this.#held.splice(0)) run();
  }

  get held(): number {
    return this.#held.length;
  }

  #apply(batch: ApplyBatch): Uint8Array[] {
    this.batches.push(batch);
    for (const { type, clientId, index, owner } of batch.sessions) {
      if (type === 'open') this.sessions.set(clientId, { owner, lastIndex: index, results: [] });
    }
    const results = batch.entries.map(({ index, command, session }) => {
      const result = text(String(this.lines.push(words(command))));
      const kept = session === null ? undefined : this.sessions.get(session.clientId);
      if (kept !== undefined && session !== null) {
        kept.lastIndex = index;
        kept.results.push({ sequence: session.sequence, result });
      }
      return result;
    });
    for (const { type, clientId } of batch.sessions) if (type === 'close') this.sessions.delete(clientId);
    this.appliedIndex = batch.lastIndex;
    return results;
  }
}

/** Bytes in pieces of at most `length`. */
export function piecesOf(bytes: Uint8Array, length: number): ByteSource {
  let at = 0;
  return {
    next: (done) => {
      const piece = bytes.subarray(at, at + length);
      at += length;
      done({ ok: true, value: piece.length === 0 ? null : piece });
    },
    close: () => undefined,
  };
}
