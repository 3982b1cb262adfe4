import type { Outcome } from '@cluster/core';
import { LeaseReplica, type Roster } from '@cluster/swim';
import { describe, expect, it } from 'vitest';
import { agreedRoster } from '../src/adapters/agreed-roster.ts';
import { leaseMachine } from '../src/adapters/lease-machine.ts';
import type { ByteSource } from '../src/ports.ts';
import { decode, encode, failure, FakeLog, settle } from './fakes.ts';

describe('the roster that the log agrees on', () => {
  it('is its voters as they are agreed on, under rising epochs, and nothing that may be lost again', () => {
    const log = new FakeLog();
    const roster = agreedRoster(log, async () => undefined);
    const told: Roster[] = [];
    const end = roster.onChange((next) => told.push(next));
    expect(roster.current()).toEqual({ epoch: 1, members: ['n1', 'n2', 'n3'] });
    log.state = { ...log.state, voters: ['n1', 'n2'], membersIndex: 7 };
    expect(roster.current().epoch).toBe(1);
    const four = ['n1', 'n2', 'n3', 'n4'];
    log.tell({ type: 'MembersChanged', voters: four, learners: [], index: 5 });
    log.tell({ type: 'MembersChanged', voters: ['n1', 'n2'], learners: [], index: 3 });
    expect(told).toEqual([{ epoch: 6, members: four }]);
    expect(roster.current()).toBe(told[0]);
    end();
    log.tell({ type: 'MembersChanged', voters: ['n1'], learners: [], index: 9 });
    expect(told).toHaveLength(1);
  });

  it('is nobody while what the log says first is not agreed on', () => {
    const log = new FakeLog();
    log.state = { ...log.state, membersIndex: 4 };
    expect(agreedRoster(log, async () => undefined).current()).toEqual({ epoch: 0, members: [] });
  });

  it('changes for the epoch that it was proposed for, and says what stands against it', async () => {
    const log = new FakeLog();
    const asked: unknown[] = [];
    const roster = agreedRoster(log, async (change, index) => {
      asked.push([change, index]);
      if (change.type === 'remove') throw failure('MANAGER_ROSTER_CHANGED', 'useless');
      log.tell({ type: 'MembersChanged', voters: ['n1', 'n4'], learners: [], index: 8 });
    });
    const outcomes: Outcome<Roster>[] = [];
    roster.propose?.({ type: 'add', name: 'n4' }, 1, (outcome) => outcomes.push(outcome));
    await settle();
    roster.propose?.({ type: 'remove', name: 'n4' }, 9, (outcome) => outcomes.push(outcome));
    await settle();
    expect(asked).toEqual([
      [{ type: 'add', name: 'n4' }, 0],
      [{ type: 'remove', name: 'n4' }, 8],
    ]);
    expect(outcomes).toMatchObject([
      { ok: true, value: { epoch: 9 } },
      { ok: false, error: { code: 'MANAGER_ROSTER_CHANGED' } },
    ]);
  });
});

describe('the lease as a state machine of the log', () => {
  const command = (node: string) => encode(JSON.stringify({ node, boot: '1', without: [], outlasted: 0 }));

  it('answers each entry, says how far it is, and comes back from its image', () => {
    const applied: number[] = [];
    const machine = leaseMachine(new LeaseReplica(), (index) => applied.push(index));
    const entries = ['a', 'b'].map((node, i) => ({
      index: i + 3,
      term: 1,
      command: command(node),
      session: null,
    }));
    const answers: string[] = [];
    machine.apply({ entries, sessions: [], lastIndex: 5 }, (outcome) => {
      if (outcome.ok) answers.push(...outcome.value.map(decode));
    });
    expect(answers.map((answer) => JSON.parse(answer) as unknown)).toMatchObject([
      { granted: true, epoch: 1 },
      { granted: true, epoch: 1 },
    ]);
    let image: ByteSource | undefined;
    machine.images?.take((outcome) => {
      if (outcome.ok) image = outcome.value;
    });
    const replica = new LeaseReplica();
    const other = leaseMachine(replica, (index) => applied.push(index));
    const outcomes: boolean[] = [];
    other.images?.install({ index: 5, sessions: [] }, image as ByteSource, ({ ok }) => outcomes.push(ok));
    expect(outcomes).toEqual([true]);
    expect(applied).toEqual([5, 5]);
    let again: ByteSource | undefined;
    machine.images?.take((outcome) => {
      if (outcome.ok) again = outcome.value;
    });
    again?.next((outcome) => expect(outcome).toEqual({ ok: true, value: replica.image() }));
  });

  it('stops at an image that is none', () => {
    const machine = leaseMachine(new LeaseReplica(), () => undefined);
    const pieces = [encode('{"epoch"'), encode(':1}'), null];
    let closed = 0;
    const source: ByteSource = {
      next: (done) => done({ ok: true, value: pieces.shift() ?? null }),
      close: () => void closed++,
    };
    const outcomes: unknown[] = [];
    machine.images?.install({ index: 5, sessions: [] }, source, (outcome) => outcomes.push(outcome));
    expect(outcomes).toMatchObject([{ ok: false, error: { code: 'MANAGER_INTERNAL' } }]);
    expect(closed).toBe(1);
  });
});
