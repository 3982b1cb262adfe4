import { describe, expect, it } from 'vitest';
import {
  failoverRows,
  type FailoverTimes,
  loadExpectations,
  loadRows,
  type RaftSamples,
  type StoreName,
} from '../src/raft/rows.ts';

const result = (perSecond: number) => ({
  perSecond,
  p50Ms: 1,
  p99Ms: 2,
  failed: 0,
  operations: 10,
  cpuUs: 50,
});

describe('the rows of bench raft', () => {
  it('set puts beside the bare loop and etcd, and reads beside etcd alone', () => {
    const samples: RaftSamples = new Map([
      ['ours put 8', [result(100), result(300), result(200)]],
      ['bare put 8', [result(200), result(600), result(400)]],
      ['etcd put 8', [result(50), result(50), result(50)]],
      ['ours read 8', [result(10)]],
      ['etcd read 8', [result(20)]],
    ]);
    const rows = loadRows(samples, [8]);
    expect(rows.map((row) => row.case)).toEqual([
      'puts, 8 clients',
      'puts, 8 clients, p50',
      'puts, 8 clients, p99',
      'puts, 8 clients, CPU of all servers',
      'linearizable reads, 8 clients',
      'linearizable reads, 8 clients, p50',
      'linearizable reads, 8 clients, p99',
      'linearizable reads, 8 clients, CPU of all servers',
    ]);
    expect(rows[0]).toMatchObject({ ours: 200, limit: 400, ratioToLimit: 0.5, peers: { etcd: 50 } });
    expect(rows[4]).toMatchObject({ ours: 10, limit: null, ratioToLimit: null, peers: { etcd: 20 } });
  });

  it('come with the expectation that ours refuses nothing, in any round; of the others that is not asked', () => {
    const refused = { ...result(100), failed: 1 };
    const held = (samples: RaftSamples): boolean[] => loadExpectations(samples).map((one) => one.held);
    expect(
      held(
        new Map([
          ['ours put 8', [result(100)]],
          ['etcd put 8', [refused]],
        ]),
      ),
    ).toEqual([true]);
    expect(held(new Map([['ours read 8', [result(100), refused]]]))).toEqual([false]);
  });

  it('without etcd have no peers', () => {
    const samples: RaftSamples = new Map([
      ['ours put 1', [result(1)]],
      ['bare put 1', [result(1)]],
      ['ours read 1', [result(1)]],
    ]);
    expect(loadRows(samples, [1]).every(({ peers }) => Object.keys(peers).length === 0)).toBe(true);
  });

  it('tell median and ninetieth percentile of the failovers, and nothing when there were none', () => {
    const stores = new Map<StoreName, readonly number[]>([
      ['ours', [300, 100, 200]],
      ['etcd', [400, 500, 600]],
    ]);
    const times: FailoverTimes = new Map([['silent', stores]]);
    const [median, p90] = failoverRows(times, 3);
    expect(median).toMatchObject({ ours: 200, peers: { etcd: 500 }, limit: null });
    expect(p90?.ours).toBeCloseTo(280, 10);
    expect(failoverRows(new Map(), 0)).toEqual([]);
  });
});
