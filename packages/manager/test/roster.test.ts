import { describe, expect, it } from 'vitest';
import type { MemberChange, RosterChange } from '../src/components.ts';
import { Deadline } from '../src/deadline.ts';
import { RosterChanges } from '../src/roster.ts';
import {
  decodeRosterAnswer,
  decodeRosterRequest,
  encodeRosterAnswer,
  encodeRosterRequest,
  forwardRosterChange,
} from '../src/roster-wire.ts';
import { failure, FakeLog, FakeMessenger, ManualClock, rejection } from './fakes.ts';

function setUp() {
  const clock = new ManualClock();
  const log = new FakeLog();
  const asked: MemberChange[] = [];
  const forwarded: (RosterChange & { readonly to: string })[] = [];
  const plans = {
    change: async (_change: MemberChange): Promise<void> => undefined,
    forward: async (_to: string): Promise<void> => undefined,
    meet: async (_id: string): Promise<void> => undefined,
  };
  log.changePlan = ([change]) => {
    asked.push(change as MemberChange);
    return plans.change(change as MemberChange);
  };
  const roster = new RosterChanges({
    nodeId: 'n1',
    clock,
    log,
    attemptTimeoutMs: 500,
    meet: (id) => plans.meet(id),
    forward: (to, change) => {
      forwarded.push({ to, ...change });
      return plans.forward(to);
    },
  });
  const within = (ms = 1000): Deadline => new Deadline(clock, ms, undefined);
  const agree = (voters: readonly string[], learners: readonly string[] = []): void => {
    const index = log.state.membersIndex + 1;
    log.state = { ...log.state, voters, learners, membersIndex: index, commitIndex: index };
  };
  return { clock, log, roster, asked, forwarded, plans, within, agree };
}

const underWay = failure('RAFT_CHANGE_UNDER_WAY', 'safe', 'caller');

describe('a node that is added', () => {
  it('is met first, gets the log, and is a voter once that is agreed on', async () => {
    const { clock, log, roster, asked, plans, within, agree } = setUp();
    const order: string[] = [];
    plans.meet = async (id) => void order.push(`met ${id}`);
    plans.change = async () => void order.push('asked');
    let isAdded = false;
    const adding = roster.add('n4', true, within()).then(() => (isAdded = true));
    await clock.advance(30);
    expect(order).toEqual(['met n4', 'asked']);
    expect(asked).toEqual([{ nodeId: 'n4', becomes: 'staged' }]);
    agree(['n1', 'n2', 'n3'], ['n4']);
    await clock.advance(30);
    // In its log, and not agreed on yet.
    log.state = { ...log.state, voters: ['n1', 'n2', 'n3', 'n4'], learners: [], membersIndex: 9 };
    await clock.advance(30);
    expect(isAdded).toBe(false);
    log.state = { ...log.state, commitIndex: 9 };
    await clock.advance(30);
    await adding;
    expect(asked).toHaveLength(1);
  });

  it('without a vote is a learner as soon as that is agreed on', async () => {
    const { roster, asked, within } = setUp();
    await roster.add('n4', false, within());
    expect(asked).toEqual([{ nodeId: 'n4', becomes: 'learner' }]);
  });

  it('and cannot be reached is not asked for', async () => {
    const { roster, asked, plans, within } = setUp();
    plans.meet = () => Promise.reject(failure('TRANSPORT_UNREACHABLE', 'safe'));
    expect(await rejection(roster.add('n4', true, within()))).toMatchObject({
      code: 'TRANSPORT_UNREACHABLE',
    });
    expect(asked).toEqual([]);
  });

  it('keeps its vote when it has one', async () => {
    const { roster, asked, within } = setUp();
    await roster.add('n2', true, within());
    expect(asked).toEqual([]);
  });

  it('and never catches up is unfinished when the time is up, and so is one that is taken off meanwhile', async () => {
    const { clock, roster, within, agree } = setUp();
    const slow = rejection(roster.add('n4', true, within(1000)));
    agree(['n1', 'n2', 'n3'], ['n4']);
    await clock.advance(1100);
    expect(await slow).toMatchObject({ code: 'MANAGER_CHANGE_UNFINISHED', retry: 'safe' });
    const undone = rejection(roster.add('n4', true, within(1000)));
    await clock.advance(100);
    agree(['n1', 'n2', 'n3']);
    await clock.advance(100);
    expect(await undone).toMatchObject({ code: 'MANAGER_CHANGE_UNFINISHED' });
  });
});

describe('a change', () => {
  it('is passed on to the leader, and again to the next one when that fails', async () => {
    const { clock, log, roster, forwarded, plans, within } = setUp();
    log.state = { ...log.state, role: 'follower', leaderId: 'n2' };
    plans.forward = async (to) => {
      log.state = { ...log.state, leaderId: 'n3' };
      if (to === 'n2') throw failure('MANAGER_PEER_LOST', 'unsafe');
      // What it asked n2 for may be what is under way.
      if (forwarded.length === 2) throw underWay;
    };
    const removing = roster.remove('n2', within());
    await clock.advance(100);
    await removing;
    expect(forwarded).toEqual([
      { to: 'n2', nodeId: 'n2', becomes: 'removed', epoch: null },
      { to: 'n3', nodeId: 'n2', becomes: 'removed', epoch: null },
      { to: 'n3', nodeId: 'n2', becomes: 'removed', epoch: null },
    ]);
  });

  it('waits for a leader, and for one that has committed something, until the time is up', async () => {
    const { clock, log, roster, plans, asked, within } = setUp();
    log.state = { ...log.state, leaderId: null };
    const vain = rejection(roster.remove('n2', within(300)));
    await clock.advance(400);
    expect(await vain).toMatchObject({
      code: 'MANAGER_CHANGE_UNFINISHED',
      cause: { code: 'MANAGER_NO_LEADER' },
    });
    log.state = { ...log.state, leaderId: 'n1' };
    plans.change = async () => {
      if (asked.length < 3) throw failure('RAFT_CHANGE_NOT_READY', 'safe');
    };
    const removing = roster.remove('n2', within(300));
    await clock.advance(100);
    await removing;
    expect(asked).toHaveLength(3);
  });

  it('while another is under way is refused, with the word that it may be repeated', async () => {
    const { roster, plans, within } = setUp();
    plans.change = () => Promise.reject(underWay);
    expect(await rejection(roster.remove('n2', within()))).toBe(underWay);
  });

  it('that leaves nobody to vote is refused at once', async () => {
    const { roster, plans, within } = setUp();
    const last = failure('RAFT_CHANGE_INVALID', 'useless', 'caller');
    plans.change = () => Promise.reject(last);
    expect(await rejection(roster.remove('n1', within()))).toBe(last);
  });

  it('that is meant for another roster is refused by the leader', async () => {
    const { log, roster, asked, within, agree } = setUp();
    agree(['n1', 'n2', 'n3']);
    const change = (epoch: number): Promise<void> =>
      roster.change({ nodeId: 'n3', becomes: 'removed', epoch }, within());
    expect(await rejection(change(0))).toMatchObject({ code: 'MANAGER_ROSTER_CHANGED' });
    // One that is not agreed on is nobody's to build upon.
    log.state = { ...log.state, membersIndex: 5 };
    expect(await rejection(change(5))).toMatchObject({ code: 'MANAGER_ROSTER_CHANGED' });
    expect(asked).toEqual([]);
    log.state = { ...log.state, commitIndex: 5 };
    await change(5);
    expect(asked).toEqual([{ nodeId: 'n3', becomes: 'removed' }]);
  });
});

describe('the wire', () => {
  const request = (more: object): string =>
    JSON.stringify({ log: 'data', change: { nodeId: 'a', becomes: 'staged', epoch: null, ...more } });

  it('carries a change, and what stands against it with its advice', () => {
    const request = {
      log: 'coordinator',
      change: { nodeId: 'n4', becomes: 'staged', epoch: 7 },
    } as const;
    expect(decodeRosterRequest(encodeRosterRequest(request))).toEqual(request);
    expect(() => decodeRosterAnswer(encodeRosterAnswer(null))).not.toThrow();
    expect(() => decodeRosterAnswer(encodeRosterAnswer(underWay))).toThrow(
      expect.objectContaining({ code: 'RAFT_CHANGE_UNDER_WAY', fault: 'caller', retry: 'safe' }),
    );
  });

  it.each([
    ['nothing', ''],
    ['no JSON', '{'],
    ['a name that is none', request({ nodeId: 'a b' })],
    ['a standing that is none', request({ becomes: 'leader' })],
    ['more than there is', request({ more: 1 })],
    ['a log that is none', '{"log":"other"}'],
    ['too much', ' '.repeat(40_000)],
  ])('refuses %s', (_what, text) => {
    const bytes = new TextEncoder().encode(text);
    expect(() => decodeRosterRequest(bytes)).toThrow(
      expect.objectContaining({ code: 'MANAGER_MESSAGE_REFUSED' }),
    );
  });

  it('hands a change to a node, and fails with what that says against it', async () => {
    const messenger = new FakeMessenger();
    const asked: unknown[] = [];
    messenger.requestPlan = async (to, _typeId, bytes) => {
      asked.push([to, decodeRosterRequest(bytes)]);
      return encodeRosterAnswer(asked.length === 1 ? null : underWay);
    };
    const change = { nodeId: 'n4', becomes: 'removed', epoch: null } as const;
    const call = { timeoutMs: 100, signal: undefined };
    await forwardRosterChange(messenger, 'data')('n2', change, call);
    expect(await rejection(forwardRosterChange(messenger, 'coordinator')('n3', change, call))).toMatchObject({
      code: 'RAFT_CHANGE_UNDER_WAY',
    });
    expect(asked).toEqual([
      ['n2', { log: 'data', change }],
      ['n3', { log: 'coordinator', change }],
    ]);
  });
});
