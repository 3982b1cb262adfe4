/**
 * Images of the key-value store, taken piece by piece while it goes on: what a put replaces before its turn has come is kept for the
 * image, and what was not there when the image was taken is left out of it.
 */
import { runTask, type Task, wait } from '@cluster/core';
import type { ByteSource, StateImages } from '@cluster/raft';

type Values = Map<string, Uint8Array>;

const pieceBytes = 256 * 1024;
// key length, value length
const headBytes = 5;

export class KeyValueImages implements StateImages {
  readonly #values: Values;
  // What the keys had that have been put since the image was taken; null: nothing. No image is under way without it.
  #before: Map<string, Uint8Array | null> | null = null;

  constructor(values: Values) {
    this.#values = values;
  }

  /** Before every put. */
  puts(key: string): void {
    if (this.#before === null || this.#before.has(key)) return;
    this.#before.set(key, this.#values.get(key) ?? null);
  }

  take: StateImages['take'] = (done) => {
    const before = (this.#before = new Map());
    // A Map is walked in the order of its keys' first puts, and meets those that come meanwhile at its end.
    const keys = this.#values.keys();
    const next = (): Uint8Array | null => {
      const parts: Uint8Array[] = [];
      for (let bytes = 0; bytes < pieceBytes;) {
        const { value: key, done: isEnd } = keys.next();
        if (isEnd === true) break;
        const value = before.has(key) ? before.get(key) : this.#values.get(key);
        if (value === null || value === undefined) continue;
        const head = Buffer.allocUnsafe(headBytes + key.length);
        head.writeUInt8(key.length, 0);
        head.writeUInt32LE(value.length, 1);
        head.write(key, headBytes, 'latin1');
        parts.push(head, value);
        bytes += head.length + value.length;
      }
      return parts.length === 0 ? null : Buffer.concat(parts);
    };
    const close = (): void => {
      if (this.#before === before) this.#before = null;
    };
    done({ ok: true, value: { next: (piece) => piece({ ok: true, value: next() }), close } });
  };

  install: StateImages['install'] = (_meta, image, done) => runTask(this.#install(image), done);

  *#install(image: ByteSource): Task<void> {
    const values: Values = new Map();
    let rest = Buffer.alloc(0);
    for (;;) {
      const piece = yield* wait<Uint8Array | null>((done) => image.next(done));
      if (piece === null) break;
      rest = Buffer.concat([rest, piece]);
      let at = 0;
      for (;;) {
        if (rest.length < at + headBytes) break;
        const keyAt = at + headBytes;
        const valueAt = keyAt + rest.readUInt8(at);
        const end = valueAt + rest.readUInt32LE(at + 1);
        if (rest.length < end) break;
        values.set(rest.toString('latin1', keyAt, valueAt), new Uint8Array(rest.subarray(valueAt, end)));
        at = end;
      }
      rest = rest.subarray(at);
    }
    if (rest.length > 0) throw new Error('An image ends within a value.');
    this.#values.clear();
    for (const [key, value] of values) this.#values.set(key, value);
  }
}
