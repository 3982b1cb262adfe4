/**
 * Where nodes listen: what gossip says of a member, else what the configuration says of a peer.
 *
 * Gossip may be wrong or forged; that costs a failed dial, because the transport admits a peer only by its certificate.
 */
import type { Address } from '@cluster/core';
import type { MembershipChange, MemberView } from '../components.ts';
import { splitAddress } from '../config.ts';
import { tagNames } from '../node-info.ts';

export class MemberDirectory {
  readonly #configured: Readonly<Record<string, Address>>;
  readonly #learned = new Map<string, Address>();

  constructor(configured: Readonly<Record<string, Address>>) {
    this.#configured = configured;
  }

  lookup(nodeId: string): Address | undefined {
    const learned = this.#learned.get(nodeId);
    if (learned !== undefined) return learned;
    return Object.hasOwn(this.#configured, nodeId) ? this.#configured[nodeId] : undefined;
  }

  /** A dead member keeps its address: gossip may be mistaken, and a voter must be reachable even so. */
  learn({ type, member }: MembershipChange): void {
    if (member === null) return;
    if (type === 'Left' || type === 'Reaped') this.#learned.delete(member.id);
    else this.#set(member);
  }

  /** After events were missed. */
  learnAll(members: readonly MemberView[]): void {
    for (const member of members) if (member.state !== 'Left') this.#set(member);
  }

  #set({ id, tags }: MemberView): void {
    const address = splitAddress(tags[tagNames.transport] ?? '');
    if (address !== null && address.port > 0) this.#learned.set(id, address);
  }
}
