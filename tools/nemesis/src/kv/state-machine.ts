/**
 * The replicated store: keys with text, and counters. It lives in memory and is built anew at every start, from the latest
 * snapshot and the log behind it, so that a write which those have lost cannot hide in it.
 */
import { createHash } from 'node:crypto';
import { runTask, type Task, wait } from '@cluster/core';
import type { ApplyBatch, ByteSource, StateImages, StateMachine } from '@cluster/raft';
import type { Value } from '../history/operation.ts';
import { decode, encode, type Write, type WriteResult } from './commands.ts';

type Image = readonly [readonly [string, string][], readonly [string, number][]];

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

  /** An image is the two maps; what is written afterwards is not in it. */
  readonly images: StateImages = {
    take: (done) => done({ ok: true, value: piecesOf(this.#image()) }),
    install: (_meta, image, done) => runTask(this.#install(image), done),
  };

  #image(): Uint8Array {
    const image: Image = [[...this.#values], [...this.#counters]];
    return Buffer.from(JSON.stringify(image));
  }

  *#install(image: ByteSource): Task<void> {
    const pieces: Uint8Array[] = [];
    for (;;) {
      const piece = yield* wait<Uint8Array | null>((done) => image.next(done));
      if (piece === null) break;
      pieces.push(piece);
    }
    const [values, counters] = JSON.parse(Buffer.concat(pieces).toString()) as Image;
    this.#values.clear();
    this.#counters.clear();
    for (const [key, value] of values) this.#values.set(key, value);
    for (const [key, count] of counters) this.#counters.set(key, count);
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

const pieceBytes = 64 * 1024;

function piecesOf(bytes: Uint8Array): ByteSource {
  let at = 0;
  return {
    next: (done) => {
      const piece = bytes.subarray(at, (at += pieceBytes));
      done({ ok: true, value: piece.length === 0 ? null : piece });
    },
    close: () => undefined,
  };
}
