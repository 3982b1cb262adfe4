/** Members as the public face shows them. */
import { formatAddress } from '@cluster/core';
import type { Endpoint, MemberView } from './components.ts';
import type { NodeInfo, NodeState } from './types.ts';

/** Tags of a member that have a meaning of their own; the rest is its metadata. */
export const tagNames = {
  transport: 'ta',
  datacenter: 'dc',
  rack: 'rack',
  capacity: 'cap',
  version: 'v',
  boot: 'boot',
} as const;

const own: ReadonlySet<string> = new Set([
  tagNames.transport,
  tagNames.datacenter,
  tagNames.rack,
  tagNames.capacity,
]);

export function toNodeInfo(member: MemberView, state: NodeState, wallNowMs: number): NodeInfo {
  const { tags } = member;
  return {
    id: member.id,
    addr: formatAddress(member.address),
    transportAddr: tags[tagNames.transport] ?? null,
    state,
    incarnation: member.incarnation,
    metadata: Object.fromEntries(Object.entries(tags).filter(([name]) => !own.has(name))),
    lastSeen: Math.round(wallNowMs - member.silentMs),
    datacenter: tags[tagNames.datacenter] ?? '',
    rack: tags[tagNames.rack] ?? '',
    capacity: capacityOf(tags),
  };
}

/** Gossip is not to be trusted with a number: what is none, or absurd, counts as 1. */
function capacityOf(tags: Readonly<Record<string, string>>): number {
  const value = Number(tags[tagNames.capacity] ?? '1');
  return value >= 0.01 && value <= 1000 ? value : 1;
}

export function toEndpoint({ id, tags }: MemberView): Endpoint {
  return {
    nodeId: id,
    weight: capacityOf(tags),
    datacenter: tags[tagNames.datacenter] ?? '',
    rack: tags[tagNames.rack] ?? '',
  };
}
