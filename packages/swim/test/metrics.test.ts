/** The numbers of a member: all that there are stand in the README, and they follow what happens. */
import { readFileSync } from 'node:fs';
import { MetricsRegistry } from '@cluster/core';
import { describe, expect, it } from 'vitest';
import type { PeerState } from '../src/core/messages.ts';
import { SwimMetrics } from '../src/metrics.ts';
import { QuorumMetrics } from '../src/quorum/quorum-metrics.ts';
import { Pool } from './pool.ts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const section = readme.slice(readme.indexOf('## Metrics'), readme.indexOf('## Ports'));

describe('the metrics', () => {
  it('stand in the README, each with its labels, and no others do', () => {
    const registry = new MetricsRegistry();
    const metrics = new SwimMetrics(registry);
    metrics.rejected('packets', 'key');
    metrics.rejected('streams', 'key');
    metrics.happened('Joined');
    new QuorumMetrics(registry).report('QuorumLost', 1);
    const told = new Set(
      [...registry.prometheus().matchAll(/^# TYPE cluster_(\w+?)(_total)? (\w+)$/gm)].map(
        (match) => match[1],
      ),
    );
    const documented = [...section.matchAll(/^\| ([^|]+)\|/gm)]
      .flatMap(([, cell]) => [...(cell as string).matchAll(/`(\w+)(?:\{\w+\})?`/g)])
      .map((match) => match[1]);
    expect(new Set(documented)).toEqual(told);
    expect(documented).toHaveLength(told.size);
    for (const [, name, label] of section.matchAll(/^\|.*?`(\w+)\{(\w+)\}`/gm))
      expect(registry.prometheus()).toMatch(new RegExp(`cluster_${name}(_total)?\\{${label}=`));
  });

  it('follow the pool, the queues and the health of the protocol', () => {
    const pool = new Pool(0, 1);
    const names = ['a', 'b', 'c'];
    for (const name of names) pool.spawn(name);
    pool.world.runFor(50);
    for (const name of ['b', 'c']) pool.join(name, 'a');
    pool.world.runFor(3000);
    const value = (name: string, labels = {}): number => pool.metrics.get('a')?.value(name, labels) ?? -1;
    const members = (state: PeerState): number => value('members', { state });
    expect([members('alive'), members('dead')]).toEqual([3, 0]);
    expect(value('member_events', { type: 'Joined' })).toBe(3);
    expect(value('incarnation')).toBe(1);
    expect(value('push_pull_bytes')).toBeGreaterThan(50);
    expect(value('gossip_packet_bytes')).toBeGreaterThan(20);
    expect(value('gossip_packet_bytes')).toBeLessThan(1400);
    expect(value('refutation_count')).toBe(0);
    pool.engine('a').sendEvent('x', new Uint8Array(1));
    pool.engine('a').setTags({ t: '1' });
    // Until the next packet, with which the depths are told.
    const depths = (): number[] =>
      ['event', 'claim'].map((queue) => value('broadcast_queue_depth', { queue }));
    expect(pool.world.runWhileNot(() => depths().every((depth) => depth === 1), 1000)).toBe(true);
    pool.world.runFor(5000);
    expect(depths()).toEqual([0, 0]);
    expect(value('incarnation')).toBe(2);
    // Cut off, a sees the others fail, and knows that it may be the one who is not well.
    pool.world.partition([['a'], ['b', 'c']]);
    pool.world.runFor(3000);
    expect(value('local_health_score')).toBeGreaterThan(0);
    expect(value('ping_failures')).toBeGreaterThan(0);
    pool.world.runFor(20_000);
    expect(members('dead')).toBe(2);
    expect(value('member_events', { type: 'Dead' })).toBe(2);
    pool.world.heal();
    expect(pool.world.runWhileNot(() => pool.converged(names), 90_000)).toBe(true);
    expect(value('refutation_count')).toBeGreaterThan(0);
  });
});
