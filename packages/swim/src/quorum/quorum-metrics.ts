import { type Counter, type Gauge, type Metrics } from '@cluster/core';
import { noMetrics } from '../metrics.ts';
import type { PartitionHappening } from '../member.ts';
import type { Roster } from './roster.ts';

/** What a node tells of the roster and of its quorum, from its start. */
export class QuorumMetrics {
  readonly #metrics: Metrics;
  readonly #epoch: Gauge;
  readonly #members: Gauge;
  readonly #missing: Gauge;
  readonly #held: Gauge;
  readonly #rejected: Counter;

  constructor(metrics: Metrics = noMetrics) {
    this.#metrics = metrics;
    this.#epoch = metrics.gauge('roster_epoch', { help: 'Epoch of the roster.' });
    this.#members = metrics.gauge('roster_members', { help: 'Members of the roster.' });
    this.#missing = metrics.gauge('roster_missing', { help: 'Members of the roster that are missing.' });
    this.#held = metrics.gauge('quorum_held', { help: '1 while this node holds quorum.' });
    this.#rejected = metrics.counter('quorum_messages_rejected', {
      help: 'Messages of quorum that could not be read.',
    });
    for (const gauge of [this.#epoch, this.#members, this.#missing, this.#held]) gauge.set(0);
  }

  roster({ epoch, members }: Roster): void {
    this.#epoch.set(epoch);
    this.#members.set(members.length);
  }

  report(type: PartitionHappening['type'], missing: number): void {
    this.#missing.set(missing);
    this.#metrics
      .counter('partition_events', { help: 'Partitions and quorum, as reported.', labels: { type } })
      .add();
    if (type === 'QuorumLost') this.#held.set(0);
    if (type === 'QuorumRegained') this.#held.set(1);
  }

  rejected(): void {
    this.#rejected.add();
  }
}
