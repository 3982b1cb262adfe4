import type { Clock, MetricsRegistry } from '@cluster/core';
import type { Member, Swim } from '@cluster/swim';
import type { MembershipChange, MembershipComponent, MemberView, MetadataView } from '../components.ts';
import { pump } from './pump.ts';

export function membershipComponent(
  swim: Swim,
  clock: Clock,
  registry: MetricsRegistry,
  scope: Readonly<Record<string, string>>,
  onError: (error: unknown) => void,
): MembershipComponent {
  const listeners: ((change: MembershipChange) => void)[] = [];
  const view = (member: Member): MemberView => ({
    id: member.name,
    address: member.address,
    state: member.state,
    incarnation: member.incarnation,
    tags: member.tags,
    silentMs: member.name === swim.self.name ? 0 : Math.max(0, clock.nowMs() - member.lastSeenMs),
  });
  pump(
    swim.events(),
    (event) => {
      // A conflict of names, a user's event and a partition change no member.
      if (event.type === 'Conflict' || (event.type !== 'Overflow' && event.member === null)) return;
      const change: MembershipChange =
        event.type === 'Overflow'
          ? { type: 'Overflow', member: null }
          : { type: event.type, member: view(event.member) };
      for (const listener of listeners) listener(change);
    },
    onError,
  );
  const { metadata } = swim;
  const text = (value: Uint8Array): string => new TextDecoder().decode(value);
  const metadataListeners: ((change: MetadataView) => void)[] = [];
  pump(
    metadata.watch(),
    (change) => {
      // Who was too slow reads `entries` afresh; the stream of events has an overflow of its own.
      if (change.member === null) return;
      const { member: id, key, value } = change;
      for (const listener of metadataListeners)
        listener({ nodeId: id, key, value: value === undefined ? null : text(value) });
    },
    onError,
  );
  return {
    metadata: {
      set: (key, value) => metadata.set(key, value),
      delete: (key) => metadata.delete(key),
      get: (key, id) => metadata.getText(key, id),
      entries: (id) => new Map(Array.from(metadata.entries(id), ([key, value]) => [key, text(value)])),
      onChange: (listener) => void metadataListeners.push(listener),
    },
    address: swim.self.address,
    self: () => view(swim.self),
    members: () => swim.members().map(view),
    join: (seeds, signal) => swim.join(seeds, { signal }),
    onEvent: (listener) => void listeners.push(listener),
    leave: () => swim.leave(),
    stop: () => swim.stop(),
    metrics: () => {
      const members = swim.members();
      const count = (state: Member['state']): number =>
        members.filter((member) => member.state === state).length;
      const value = (name: string): number => registry.value(name, scope);
      return {
        members_alive: count('Alive'),
        members_suspect: count('Suspect'),
        members_dead: count('Dead'),
        members_left: count('Left'),
        ping_count: value('ping_count'),
        ping_failures: value('ping_failures'),
        ping_duration_ms: value('ping_duration_ms'),
        suspicion_count: value('suspicion_count'),
        gossip_messages_sent: value('messages_sent'),
        gossip_messages_received: value('messages_received'),
        gossip_bytes_sent: value('gossip_bytes_sent'),
        gossip_bytes_received: value('gossip_bytes_received'),
        gossip_packet_bytes: value('gossip_packet_bytes'),
        push_pull_bytes: value('push_pull_bytes'),
        quorum_held: registry.value('quorum_held'),
        roster_epoch: registry.value('roster_epoch'),
        roster_members: registry.value('roster_members'),
        roster_missing: registry.value('roster_missing'),
        local_health_score: value('local_health_score'),
        broadcast_queue_depth: ['claim', 'intent', 'query', 'event'].reduce(
          (sum, queue) => sum + registry.value('broadcast_queue_depth', { ...scope, queue }),
          0,
        ),
      };
    },
  };
}
