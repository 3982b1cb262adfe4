/**
 * The replicated store: keys with text, and counters. It lives in memory and is built anew from the log at every start, so that a
 * write which the log has lost cannot hide in it.
 */
import { createHash } from 'node:crypto';
import type { ApplyBatch, StateMachine } from '@cluster/raft';
import type { Value } from '../history/operation.ts';
import { decode, encode, type Write, type WriteResult } from './commands.ts';

export class KeyValueStore implements StateMachine {
  readonly #values = new Map<string, string>();
  readonly #counters = new Map<string, number>();

  restore(done: Parameters<StateMachine['restore']>[0]): void {
    done({ ok: true, value: { appliedIndex: 0, sessions: [] } });
  }

  apply(batch: ApplyBatch, done: Parameters<StateMachine['apply']>[1]): void {
    const results = batch.entries.map(({ command }) => encode(this.write(decode<Write>(command))));
    done({ ok: true, value: results });
  }

  read(key: string): Value {
    return this.#values.get(key) ?? null;
  }

  count(key: string): number {
    return this.#counters.get(key) ?? 0;
  }

  write(write: Write): WriteResult {
    const { op, key } = write;
    switch (op) {
      case 'put':
        this.#values.set(key, write.value);
        return { done: true };
      case 'append':
        this.#values.set(key, (this.#values.get(key) ?? '') + write.value);
        return { done: true };
      case 'del':
        this.#values.delete(key);
        return { done: true };
      case 'cas':
        if (this.read(key) !== write.expect) return { done: false };
        this.#values.set(key, write.value);
        return { done: true };
      case 'count': {
        const count = this.count(key) + 1;
        this.#counters.set(key, count);
        return { done: true, count };
      }
    }
  }

  /** Equal for equal contents, whatever way they came about. */
  digest(): string {
    const sorted = (map: ReadonlyMap<string, unknown>): unknown[] =>
      [...map].sort(([a], [b]) => (a < b ? -1 : 1));
    const contents = JSON.stringify([sorted(this.#values), sorted(this.#counters)]);
    return createHash('sha256').update(contents).digest('hex');
  }
}
