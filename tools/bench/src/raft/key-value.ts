/** A key-value store in memory as a Raft state machine, and its commands as bytes: key length, key, value. */
import type { StateMachine } from '@cluster/raft';
import { KeyValueImages } from './key-value-images.ts';

export function putCommand(key: string, value: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(1 + key.length + value.length);
  bytes[0] = key.length;
  bytes.write(key, 1, 'latin1');
  bytes.set(value, 1 + key.length);
  return bytes;
}

const done = new Uint8Array(0);

export class KeyValues implements StateMachine {
  readonly #values = new Map<string, Uint8Array>();
  /** Without it nothing shortens the log. */
  readonly images: KeyValueImages | undefined;

  constructor({ images = true }: { readonly images?: boolean } = {}) {
    this.images = images ? new KeyValueImages(this.#values) : undefined;
  }

  get(key: string): Uint8Array {
    return this.#values.get(key) ?? done;
  }

  restore: StateMachine['restore'] = (answer) =>
    answer({ ok: true, value: { appliedIndex: 0, sessions: [] } });

  apply: StateMachine['apply'] = ({ entries }, answer) => {
    for (const { command } of entries) {
      const valueAt = 1 + (command[0] ?? 0);
      const key = Buffer.from(command.buffer, command.byteOffset + 1, valueAt - 1).toString('latin1');
      this.images?.puts(key);
      this.#values.set(key, command.subarray(valueAt));
    }
    answer({ ok: true, value: entries.map(() => done) });
  };
}
