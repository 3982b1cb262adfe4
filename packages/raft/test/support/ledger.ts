import type { ClusterError, Done } from '@cluster/core';
import type { ApplyBatch, SessionRecord, StateMachine } from '../../src/index.ts';

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
