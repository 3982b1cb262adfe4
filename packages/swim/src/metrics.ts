/** The numbers of membership, under the documented names. */
import type { Counter, Gauge, Histogram, Metrics } from '@cluster/core';
import type { QueueName } from './core/gossip.ts';
import type { PeerState, RejectReason } from './core/messages.ts';
import type { MemberEventType } from './member.ts';

const nothing = { add: () => undefined, set: () => undefined, observe: () => undefined };
export const noMetrics: Metrics = { counter: () => nothing, gauge: () => nothing, histogram: () => nothing };

export class SwimMetrics {
  readonly pings: Counter;
  readonly pingFailures: Counter;
  readonly streamOnlyPings: Counter;
  readonly pingMs: Histogram;
  readonly suspicions: Counter;
  readonly refutations: Counter;
  readonly packetsSent: Counter;
  readonly packetsReceived: Counter;
  readonly bytesSent: Counter;
  readonly bytesReceived: Counter;
  readonly packetBytes: Histogram;
  readonly exchanges: Counter;
  readonly exchangeBytes: Histogram;
  readonly droppedBroadcasts: Counter;
  readonly health: Gauge;
  readonly incarnation: Gauge;
  readonly inboundStreams: Gauge;
  readonly #metrics: Metrics;
  readonly #members: Readonly<Record<PeerState, Gauge>>;
  readonly #queued: Readonly<Record<QueueName, Gauge>>;
  readonly #events = new Map<MemberEventType, Counter>();
  readonly #rejected = new Map<string, Counter>();

  constructor(metrics: Metrics = noMetrics) {
    this.#metrics = metrics;
    this.pings = metrics.counter('ping_count', { help: 'Pings sent, our own and for others.' });
    this.pingFailures = metrics.counter('ping_failures', { help: 'Probe rounds without any answer.' });
    this.streamOnlyPings = metrics.counter('ping_stream_only', {
      help: 'Probe rounds answered over TCP only: UDP is blocked.',
    });
    this.pingMs = metrics.histogram('ping_duration_ms', { help: 'Answer time of a direct or relayed ping.' });
    this.suspicions = metrics.counter('suspicion_count', { help: 'Members that became suspect here.' });
    this.refutations = metrics.counter('refutation_count', {
      help: 'Times that this member has raised its incarnation against what was said of it.',
    });
    this.packetsSent = metrics.counter('messages_sent', { help: 'Gossip packets sent.' });
    this.packetsReceived = metrics.counter('messages_received', { help: 'Gossip packets received.' });
    this.bytesSent = metrics.counter('gossip_bytes_sent', { help: 'UDP payload sent.' });
    this.bytesReceived = metrics.counter('gossip_bytes_received', { help: 'UDP payload received.' });
    this.packetBytes = metrics.histogram('gossip_packet_bytes', { help: 'Size of the packets sent.' });
    this.exchanges = metrics.counter('push_pull_count', { help: 'Push/pull exchanges begun here.' });
    this.exchangeBytes = metrics.histogram('push_pull_bytes', {
      help: 'Size of a push/pull half that was sent.',
    });
    this.droppedBroadcasts = metrics.counter('broadcasts_dropped', {
      help: 'Broadcasts dropped because the queue was full.',
    });
    this.health = metrics.gauge('local_health_score', { help: '0 is well; the probe period grows with it.' });
    this.incarnation = metrics.gauge('incarnation', {
      help: 'Of this member: rises with every refutation and change of tags.',
    });
    this.inboundStreams = metrics.gauge('inbound_streams', {
      help: 'TCP exchanges that others have open here.',
    });
    const queue = (name: QueueName): Gauge =>
      metrics.gauge('broadcast_queue_depth', {
        help: 'Broadcasts waiting to be gossiped.',
        labels: { queue: name },
      });
    this.#queued = {
      claim: queue('claim'),
      intent: queue('intent'),
      query: queue('query'),
      event: queue('event'),
    };
    const members = (state: PeerState): Gauge =>
      metrics.gauge('members', { help: 'Members by state, this one included.', labels: { state } });
    this.#members = {
      alive: members('alive'),
      suspect: members('suspect'),
      dead: members('dead'),
      left: members('left'),
    };
  }

  setMembers(counts: Readonly<Record<PeerState, number>>, self: PeerState): void {
    for (const state of ['alive', 'suspect', 'dead', 'left'] as const)
      this.#members[state].set(counts[state] + (state === self ? 1 : 0));
  }

  setQueued(depths: Readonly<Record<QueueName, number>>): void {
    for (const name of ['claim', 'intent', 'query', 'event'] as const) this.#queued[name].set(depths[name]);
  }

  happened(type: MemberEventType): void {
    let counter = this.#events.get(type);
    if (counter === undefined) {
      const help = 'What has happened to members, as this one came to know it.';
      counter = this.#metrics.counter('member_events', { help, labels: { type } });
      this.#events.set(type, counter);
    }
    counter.add();
  }

  rejected(channel: 'packets' | 'streams', reason: RejectReason): void {
    const key = `${channel}/${reason}`;
    let counter = this.#rejected.get(key);
    if (counter === undefined) {
      const help = channel === 'packets' ? 'Packets, or parts of them, refused.' : 'TCP exchanges refused.';
      counter = this.#metrics.counter(`${channel}_rejected`, { help, labels: { reason } });
      this.#rejected.set(key, counter);
    }
    counter.add();
  }
}
