import { describe, expect, it } from 'vitest';
import { MetricsRegistry } from '@cluster/core';
import { DialLog } from '../src/engine/dial-log.ts';
import { TransportMetrics } from '../src/metrics.ts';
import { EngineWorld, number } from './engine-world.ts';

function setUp() {
  const lines: string[] = [];
  const metrics = new MetricsRegistry();
  const log = new DialLog(new TransportMetrics(metrics), {
    log: (level, message, fields) =>
      void lines.push(
        `${level} ${message}: ${String(fields?.['peer'])} ${String(fields?.['code'] ?? fields?.['failures'])}`,
      ),
  });
  const fail = (peer: string, code: string): void => log.failed(peer, { code, reason: 'r' });
  return { lines, metrics, log, fail };
}

describe('failed dials', () => {
  it('are told when they begin, when the reason changes and when they end; all are counted', () => {
    const { lines, metrics, log, fail } = setUp();
    for (let i = 0; i < 100; i++) fail('b', 'NET_REFUSED');
    fail('c', 'NET_REFUSED');
    for (let i = 0; i < 10; i++) fail('b', 'NET_TIMEOUT');
    log.reached('b');
    log.reached('b');
    fail('b', 'NET_REFUSED');
    expect(lines).toEqual([
      'warn a dial failed: b NET_REFUSED',
      'warn a dial failed: c NET_REFUSED',
      'warn a dial failed: b NET_TIMEOUT',
      'info a peer is reached again: b 110',
      'warn a dial failed: b NET_REFUSED',
    ]);
    const counted = /^[a-z_]*dials_failed\w*\{[^}]*\} (\d+)/gm;
    const sum = [...metrics.prometheus().matchAll(counted)].reduce((total, [, n]) => total + Number(n), 0);
    expect(sum).toBe(112);
  });

  it('of many peers are remembered for a bounded number of them', () => {
    const { lines, fail } = setUp();
    for (let i = 0; i <= 1024; i++) fail(`p${i}`, 'NET_REFUSED');
    lines.length = 0;
    fail('p1024', 'NET_REFUSED');
    fail('p0', 'NET_REFUSED');
    expect(lines).toEqual(['warn a dial failed: p0 NET_REFUSED']);
  });

  it('of a dead peer give one line, and one more when it is back', () => {
    const world = new EngineWorld(1);
    const a = world.boot('a');
    world.portOf('b');
    const send = (): void => void a.engine.call('b', 64, number(1), {}, () => undefined);
    for (let i = 0; i < 10; i++) {
      send();
      world.run(5000);
    }
    expect(a.logged.map(({ message }) => message)).toEqual(['a dial failed']);
    world.boot('b');
    send();
    world.run(60_000);
    expect(a.logged.map(({ message }) => message)).toEqual(['a dial failed', 'a peer is reached again']);
  });
});
