/** The questions that Serf itself asks, under names beginning with `_serf_`: what its command line needs of every member. */
import type { Member, MemberState } from '../member.ts';
import { decodeKeyRequest, encodeKeyAnswer, encodeNameAnswer, type KeyAnswer } from '../wire.ts';
import type { GossipKeys, KeyChange } from './gossip-keys.ts';

export interface InternalQueriesOptions {
  readonly keys: GossipKeys;
  /** Who bears a name, as we believe; ourselves not. */
  readonly named: (name: string) => Member | undefined;
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

  /** @param respond not called for what is acknowledged and no more (`ping`), and for what is not known here. */
  answer(name: string, payload: Uint8Array, respond: (answer: Uint8Array) => void): void {
    switch (name) {
      case 'list-keys':
        return respond(encodeKeyAnswer(this.#list()));
      case 'install-key':
      case 'use-key':
      case 'remove-key':
        return this.#change(keyChanges[name], payload, (answer) => respond(encodeKeyAnswer(answer)));
      case 'conflict': {
        // Deviation: Serf answers with nothing about a name that it does not know, which the asker then counts against itself.
        const member = this.#options.named(new TextDecoder().decode(payload));
        if (member !== undefined)
          respond(encodeNameAnswer(member.name, member.address, serfStatus[member.state]));
      }
    }
  }

  #list(): KeyAnswer {
    const keys = this.#options.keys.list();
    if (keys === undefined) return refusal('encryption is not enabled');
    return { ok: true, message: '', keys, primary: keys[0] ?? '' };
  }

  #change(change: KeyChange, payload: Uint8Array, respond: (answer: KeyAnswer) => void): void {
    const { keys, acceptRemoteKeys, onKeysChanged } = this.#options;
    if (!acceptRemoteKeys)
      return respond(refusal('this member takes no keys from the pool (keyring.acceptRemote)'));
    const key = decodeKeyRequest(payload);
    if (key === null) return respond(refusal('the request cannot be read'));
    keys.change(change, key, (outcome) => {
      if (!outcome.ok) return respond(refusal(outcome.error.message));
      onKeysChanged();
      respond({ ok: true, message: '', keys: [], primary: '' });
    });
  }
}

const keyChanges = { 'install-key': 'install', 'use-key': 'use', 'remove-key': 'remove' } as const;
const serfStatus: Readonly<Record<MemberState, number>> = { Alive: 1, Suspect: 1, Dead: 4, Left: 3 };
