/** The questions that Serf itself asks, under names beginning with `_serf_`: what its command line needs of every member. */
import { toBase64 } from '@cluster/core';
import type { Keys } from '../ports.ts';
import { decodeKeyRequest, encodeKeyAnswer, type KeyAnswer } from '../wire.ts';

export interface InternalQueriesOptions {
  readonly keys: Keys | undefined;
  /** Whether keys may be changed by whoever holds one of them. */
  readonly acceptRemoteKeys: boolean;
  readonly onKeysChanged: () => void;
}

const refusal = (message: string): KeyAnswer => ({ ok: false, message, keys: [], primary: '' });

export class InternalQueries {
  readonly #options: InternalQueriesOptions;

  constructor(options: InternalQueriesOptions) {
    this.#options = options;
  }

  /** @returns null for what is acknowledged and no more (`ping`), and for what is not known here. */
  answer(name: string, payload: Uint8Array): Uint8Array | null {
    switch (name) {
      case 'list-keys':
        return encodeKeyAnswer(this.#list());
      case 'install-key':
      case 'use-key':
      case 'remove-key':
        return encodeKeyAnswer(this.#change(name, payload));
      default:
        return null;
    }
  }

  #list(): KeyAnswer {
    const { keys } = this.#options;
    if (keys === undefined) return refusal('encryption is not enabled');
    const all = keys.list().map(toBase64);
    return { ok: true, message: '', keys: all, primary: all[0] ?? '' };
  }

  #change(name: 'install-key' | 'use-key' | 'remove-key', payload: Uint8Array): KeyAnswer {
    const { keys, acceptRemoteKeys, onKeysChanged } = this.#options;
    if (keys === undefined) return refusal('encryption is not enabled');
    if (!acceptRemoteKeys) return refusal('this member takes no keys from the pool (keyring.acceptRemote)');
    const key = decodeKeyRequest(payload);
    if (key === null) return refusal('the request cannot be read');
    const failure =
      name === 'install-key' ? keys.install(key) : name === 'use-key' ? keys.use(key) : keys.remove(key);
    if (failure !== null) return refusal(failure);
    onKeysChanged();
    return { ok: true, message: '', keys: [], primary: '' };
  }
}
