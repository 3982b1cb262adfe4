/**
 * What a layer of the application's own, in the place of Serf's, says to the pool. As with memberlist it is carried and not
 * understood: nothing here keeps it from coming twice, or passes on what has been received.
 */
import type { Address } from '@cluster/core';
import type { SwimConfig } from '../config.ts';
import type { SwimInput } from '../core/effects.ts';
import { delegateMissing, notRunning, tooLargeToSpread } from '../errors.ts';
import { encodeStreamUser, envelopeBytes, userBytes, type WireOptions } from '../wire.ts';

export interface UserMessagesParts {
  readonly config: SwimConfig;
  readonly wire: WireOptions;
  readonly hasDelegate: boolean;
  readonly isRunning: () => boolean;
  readonly dispatch: (input: SwimInput) => void;
  /** Sends a message over a stream of its own. */
  readonly tell: (to: Address, body: Uint8Array) => void;
}

// Type and count of a compound, and the length of its only part.
const compoundBytes = 4;

export class UserMessages {
  readonly #parts: UserMessagesParts;

  constructor(parts: UserMessagesParts) {
    this.#parts = parts;
  }

  /**
   * Gossips to the other members, as often as news of a member is; a newer broadcast of the same name takes the place of one that
   * still waits. A member may get it more than once, and whoever is to reach all of a large pool broadcasts what it has received.
   * At `serf.broadcastsMax` the one sent most often is dropped and counted.
   * @throws ClusterError `SWIM_MESSAGE_TOO_LARGE` when no packet can hold it, `SWIM_DELEGATE_MISSING`, `SWIM_NOT_RUNNING`.
   */
  broadcast(name: string, payload: Uint8Array): void {
    const { config, wire } = this.#parts;
    this.#demandUse();
    const bytesMax = config.packetBytesMax - envelopeBytes(wire) - compoundBytes;
    const bytes = userBytes({ type: 'user', payload });
    if (bytes > bytesMax) throw tooLargeToSpread('SWIM_MESSAGE_TOO_LARGE', bytes, bytesMax);
    // A copy: it is sent later too.
    this.#parts.dispatch({ type: 'USER_BROADCAST', rank: 'event', name, payload: payload.slice() });
  }

  /**
   * To one member: in a packet where it fits, which may be lost, else over TCP.
   * @throws ClusterError `SWIM_MESSAGE_TOO_LARGE` above `userMessageBytesMax`, `SWIM_DELEGATE_MISSING`, `SWIM_NOT_RUNNING`.
   */
  sendTo(to: Address, payload: Uint8Array): void {
    const { config, wire, dispatch, tell } = this.#parts;
    this.#demandUse();
    const { userMessageBytesMax } = config;
    if (payload.length > userMessageBytesMax)
      throw tooLargeToSpread('SWIM_MESSAGE_TOO_LARGE', payload.length, userMessageBytesMax);
    const bytes = userBytes({ type: 'user', payload }) + envelopeBytes(wire) + compoundBytes;
    if (bytes <= config.packetBytesMax) dispatch({ type: 'USER_SEND', to, payload });
    else tell(to, encodeStreamUser(payload));
  }

  #demandUse(): void {
    if (!this.#parts.isRunning()) throw notRunning();
    if (!this.#parts.hasDelegate) throw delegateMissing();
  }
}
