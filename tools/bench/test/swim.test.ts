import { describe, expect, it } from 'vitest';
import { expectationsOf, type PoolFigures, swimRows } from '../src/swim/rows.ts';
import { sightingOf } from '../src/swim/serf-pool.ts';
import { type SightingKind, Sightings } from '../src/swim/sightings.ts';
import { minus, noTraffic, parseTraffic } from '../src/swim/traffic.ts';

const counters = (datagrams: number, segments: number, opens: number, octets: number): string =>
  [
    'Tcp: ActiveOpens PassiveOpens OutSegs RetransSegs',
    `Tcp: ${opens} ${opens} ${segments} 0`,
    'Udp: InDatagrams OutDatagrams',
    `Udp: 7 ${datagrams}`,
    'IpExt: InOctets OutOctets',
    `IpExt: 1 ${octets}`,
    '',
  ].join('\n');

describe('traffic, by the counters of the kernel', () => {
  it('is payload where the headers have been taken off', () => {
    // 10 datagrams of 100 bytes; 1 connection of 6 segments, two of them SYNs, that carry 500 bytes.
    const octets = 10 * (28 + 100) + 6 * 40 + 2 * 4 + 500;
    const traffic = parseTraffic(counters(10, 6, 1, octets));
    expect(traffic).toEqual({ wireBytes: octets, payloadBytes: 1500, datagrams: 10, segments: 6 });
    expect(minus(traffic, traffic)).toEqual(noTraffic);
    expect(() => parseTraffic('Udp: OutDatagrams\nUdp: 1\n')).toThrow('The kernel does not count');
  });
});

describe('sightings', () => {
  const seen = (...all: (readonly [string, SightingKind, string, number])[]): Sightings => {
    const sightings = new Sightings();
    for (const [observer, kind, member, atMs] of all) sightings.add({ observer, kind, member, atMs });
    return sightings;
  };

  it('time a death from the first suspicion to the last survivor, and not before all have seen it', () => {
    const sightings = seen(['a', 'suspect', 'x', 1500], ['a', 'dead', 'x', 3000]);
    expect(sightings.detection('x', ['a', 'b'], 1000)).toEqual({
      firstSuspectMs: 500,
      firstDeadMs: 2000,
      allDeadMs: null,
    });
    sightings.add({ observer: 'b', kind: 'dead', member: 'x', atMs: 3400 });
    expect(sightings.detection('x', ['a', 'b'], 1000).allDeadMs).toBe(2400);
    expect(sightings.detection('x', ['a', 'b'], 3200).allDeadMs).toBeNull();
  });

  it('say whether all hold all for alive, and how many pairs do not', () => {
    const sightings = seen(['a', 'alive', 'b', 1], ['b', 'alive', 'a', 2], ['a', 'suspect', 'b', 3]);
    expect(sightings.agreeAlive(['a', 'b'], ['a', 'b'])).toBe(true);
    sightings.add({ observer: 'a', kind: 'dead', member: 'b', atMs: 4 });
    expect(sightings.agreeAlive(['a', 'b'], ['a', 'b'])).toBe(false);
    expect(sightings.missing(['a', 'b'], ['a', 'b'])).toBe(1);
    sightings.forget('b');
    expect(sightings.missing(['a', 'b'], ['a', 'b'])).toBe(2);
  });

  it('are read from the log of an agent', () => {
    const of = (line: string) => sightingOf('n1', `    2026/11/28 15:07:28 ${line}`, 5)?.kind;
    expect(of('[INFO] serf: EventMemberJoin: n2 10.1.0.2')).toBe('alive');
    expect(of('[INFO] memberlist: Suspect n2 has failed, no acks received')).toBe('suspect');
    expect(of('[INFO] serf: EventMemberFailed: n2 10.1.0.2')).toBe('dead');
    expect(of('[INFO] serf: EventMemberLeave: n2 10.1.0.2')).toBe('left');
    expect(of('[INFO] agent: Received event: member-failed')).toBeUndefined();
  });
});

describe('what bench swim says', () => {
  const run = { nodes: 10, kills: 1, cutSeconds: 40 };
  const figures = (payloadBytes: number): PoolFigures => ({
    idle: {
      seconds: 10,
      traffic: { wireBytes: 2 * payloadBytes, payloadBytes, datagrams: 200, segments: 20 },
      cpuShare: 0.01,
      residentKib: 2048,
      residentAloneKib: null,
      suspicions: 0,
      falseDeaths: 0,
    },
    kills: [{ firstSuspectMs: 1000, firstDeadMs: 2000, allDeadMs: 3000 }],
    rejoinsMs: [500],
    falseDeathsAtKills: 0,
    falseDeathsAtCut: 0,
    apart: 48,
    healedMs: 2000,
  });
  const failing = (ours: PoolFigures, serf: PoolFigures | null): string[] =>
    expectationsOf(ours, serf, run)
      .filter(({ held }) => !held)
      .map(({ what }) => what);

  it('sets ours beside Serf, by the member', () => {
    const rows = swimRows(figures(22_000), figures(20_000), run);
    const payload = rows.find((row) => row.case === 'idle, payload sent by a member');
    expect(payload).toMatchObject({ ours: 220, peers: { serf: 200 }, higherIsBetter: false });
    expect(swimRows(figures(1), null, run).every(({ peers }) => Object.keys(peers).length === 0)).toBe(true);
  });

  it('expects completion, safety and thrift, each of which can fail; never speed', () => {
    expect(failing(figures(22_000), figures(20_000))).toEqual([]);
    expect(failing(figures(22_100), figures(20_000))[0]).toMatch(/idle payload/);
    const good = figures(20_000);
    const bad: Partial<PoolFigures>[] = [
      { idle: { ...(good.idle as NonNullable<PoolFigures['idle']>), falseDeaths: 1 } },
      { kills: [] },
      { kills: [{ firstSuspectMs: 1, firstDeadMs: 2, allDeadMs: null }] },
      { rejoinsMs: [null] },
      { falseDeathsAtKills: 1 },
      { apart: 0 },
      { falseDeathsAtCut: 1 },
      { healedMs: null },
    ];
    for (const change of bad) expect(failing({ ...good, ...change }, null)).toHaveLength(1);
    expect(failing({ ...good, healedMs: 59_000 }, null)).toEqual([]);
  });
});
