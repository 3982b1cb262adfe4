/** The numbers of membership, under the documented names. */
import type { Counter, Gauge, Histogram, Metrics } from '@cluster/core';
import type { PeerState, RejectReason } from './core/messages.ts';

const nothing = { add: () => undefined, set: () => undefined, observe: () => undefined };
const noMetrics: Metrics = { counter: () => nothing, gauge: () => nothing, histogram: () => nothing };

export class SwimMetrics {
  readonly pings: Counter;
  readonly pingFailures: Counter;
  readonly streamOnlyPings: Counter;
  readonly pingMs: Histogram;
  readonly suspicions: Counter;
  readonly packetsSent: Counter;
  readonly packetsReceived: Counter;
  readonly bytesSent: Counter;
  readonly bytesReceived: Counter;
  readonly packetBytes: Histogram;
  readonly exchanges: Counter;
  readonly droppedBroadcasts: Counter;
  readonly health: Gauge;
  readonly queued: Gauge;
  readonly #metrics: Metrics;
  readonly #members: Readonly<Record<PeerState, Gauge>>;
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
    this.packetsSent = metrics.counter('messages_sent', { help: 'Gossip packets sent.' });
    this.packetsReceived = metrics.counter('messages_received', { help: 'Gossip packets received.' });
    this.bytesSent = metrics.counter('gossip_bytes_sent', { help: 'UDP payload sent.' });
    this.bytesReceived = metrics.counter('gossip_bytes_received', { help: 'UDP payload received.' });
    this.packetBytes = metrics.histogram('gossip_packet_bytes', { help: 'Size of the packets sent.' });
    this.exchanges = metrics.counter('push_pull_count', { help: 'Push/pull exchanges begun here.' });
    this.droppedBroadcasts = metrics.counter('broadcasts_dropped', {
      help: 'Broadcasts dropped because the queue was full.',
    });
    this.health = metrics.gauge('local_health_score', { help: '0 is well; the probe period grows with it.' });
    this.queued = metrics.gauge('broadcast_queue_depth', { help: 'Broadcasts waiting to be gossiped.' });
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
