/**
 * What peers say passes the gate before the core hears it: addresses outside the allowed networks are turned away wherever a
 * message could bring one, and the application may veto members and merges.
 *
 * It stands before the core, not in it: what a hook of the application says cannot be replayed, and the core's inputs, which are
 * recorded, are what has passed.
 */
import { type Address, describeError, type Logger } from '@cluster/core';
import type { SwimConfig } from '../config.ts';
import type { Message, PeerRecord, PushPull, RejectReason } from '../core/messages.ts';
import type { Admission, Candidate } from '../ports.ts';
import { type DecodedPacket, decodeTags, isWithin, type Network, parseNetwork } from '../wire.ts';

export interface CheckedExchange {
  /** Null: it is vetoed as a whole. */
  readonly passed: PushPull | null;
  /** One for each record that was taken out. */
  readonly rejected: readonly RejectReason[];
}

type Claimed = Pick<PeerRecord, 'address' | 'meta'> & { readonly name: string };

export class Gate {
  readonly #name: string;
  /** Null: every address may come. */
  readonly #networks: readonly Network[] | null;
  readonly #admission: Admission | undefined;
  readonly #logger: Logger;

  constructor({ name, allowedNetworks }: SwimConfig, admission: Admission | undefined, logger: Logger) {
    this.#name = name;
    this.#networks = allowedNetworks?.flatMap((text) => parseNetwork(text) ?? []) ?? null;
    this.#admission = admission;
    this.#logger = logger;
  }

  allows({ host }: Address): boolean {
    return this.#networks === null || isWithin(host, this.#networks);
  }

  packet(packet: DecodedPacket): DecodedPacket {
    if (this.#isOpen) return packet;
    const rejected = [...packet.rejected];
    const messages = packet.messages.filter((message) => {
      const reason = this.#refusal(message);
      if (reason !== null) rejected.push(reason);
      return reason === null;
    });
    return { messages, rejected };
  }

  exchange(content: PushPull, from: Address): CheckedExchange {
    if (this.#isOpen) return { passed: content, rejected: [] };
    const rejected: RejectReason[] = [];
    const members = content.members.filter((record) => {
      const reason = record.state === 'alive' ? this.#refusalOf(record) : null;
      if (reason !== null) rejected.push(reason);
      return reason === null;
    });
    return {
      passed: this.#admitsMerge(members, from, content.join) ? { ...content, members } : null,
      rejected,
    };
  }

  get #isOpen(): boolean {
    return this.#networks === null && this.#admission === undefined;
  }

  #refusal(message: Message): RejectReason | null {
    switch (message.type) {
      case 'alive':
        return this.#refusalOf({ ...message, name: message.node });
      case 'ping':
        return this.#allAllowed(message.source?.address) ? null : 'network';
      case 'indirectPing':
        return this.#allAllowed(message.target, message.source?.address) ? null : 'network';
      case 'ack':
      case 'nack':
      case 'suspect':
      case 'dead':
      case 'user':
        // They bring no address.
        return null;
    }
  }

  #allAllowed(...addresses: readonly (Address | undefined)[]): boolean {
    return addresses.every((address) => address === undefined || this.allows(address));
  }

  #refusalOf(claimed: Claimed): RejectReason | null {
    if (!this.allows(claimed.address)) return 'network';
    if (claimed.name === this.#name) return null;
    return this.#ask(() => this.#admission?.admits?.(candidateOf(claimed))) ? null : 'vetoed';
  }

  #admitsMerge(members: readonly PeerRecord[], from: Address, join: boolean): boolean {
    const candidates = members.filter(({ state }) => state === 'alive').map(candidateOf);
    return this.#ask(() => this.#admission?.admitsMerge?.(candidates, { from, join }));
  }

  /** Without a hook everybody is admitted; a hook that fails admits nobody. */
  #ask(hook: () => boolean | undefined): boolean {
    try {
      return hook() ?? true;
    } catch (error) {
      this.#logger.log('error', `A hook of admission failed, so nobody is admitted: ${describeError(error)}`);
      return false;
    }
  }
}

const candidateOf = ({ name, address, meta }: Claimed): Candidate => ({
  name,
  address,
  tags: decodeTags(meta),
});
