import { describe, expect, it } from 'vitest';
import { memoryDisk } from '@cluster/core';
import { WriteAheadLog } from '../src/index.ts';
import { TestGroup, valueOf } from './support/group.ts';
import { words } from './support/ledger.ts';

describe('a group of replicas', () => {
  it('elects one leader and applies a command everywhere', () => {
    const group = new TestGroup(['a', 'b', 'c']);
    const leader = group.electLeader();
    const call = group.propose(leader.name, 'hello');
    group.clock.advance(20);
    expect(words(valueOf(call).result)).toBe('1');
    for (const { ledger } of group.nodes.values()) expect(ledger.lines).toEqual(['hello']);
  });

  it('forwards a proposal made at a follower and hands the answer back', () => {
    const group = new TestGroup(['a', 'b', 'c']);
    group.electLeader();
    const [follower] = group.followers;
    const call = group.propose(follower?.name ?? '', 'hello');
    group.clock.advance(20);
    expect(words(valueOf(call).result)).toBe('1');
  });

  it('runs over the write-ahead log', () => {
    const disk = memoryDisk();
    const group = new TestGroup(['a'], {
      storage: () => new WriteAheadLog({ disk, segmentBytes: 4096, growthBytes: 4096 }),
    });
    group.electLeader();
    for (let i = 0; i < 200; i++) {
      const call = group.propose('a', `line ${i}`);
      group.clock.advance(1);
      valueOf(call);
    }
    group.crash('a');
    group.node('a').ledger.appliedIndex = 0;
    group.node('a').ledger.lines.length = 0;
    group.restart('a', new WriteAheadLog({ disk, segmentBytes: 4096, growthBytes: 4096 }));
    group.electLeader();
    group.clock.advance(10);
    expect(group.node('a').ledger.lines).toHaveLength(200);
  });
});
