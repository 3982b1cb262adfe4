/** Serf's layer: one core driven by hand, its wire, and whole pools of ours in the simulated world. */
import { Prng, type Sink, type TimerEffect, type TimerInput } from '@cluster/core';
import { World } from '@cluster/sim';
import {
  parseSwimConfig,
  SerfCore,
  type SerfEffect,
  type SerfInput,
  SwimEngine,
  type SwimConfigInput,
} from '@cluster/swim';
import { describe, expect, it } from 'vitest';
import { GossipKeys } from '../src/engine/gossip-keys.ts';
import { InternalQueries } from '../src/engine/internal-queries.ts';
import { keyring } from '../src/node/keyring.ts';
import type { QueryMessage, SerfMessage, SerfState } from '../src/serf/messages.ts';
import { distance, isValid, origin, Vivaldi } from '../src/serf/vivaldi.ts';
import { compilePattern } from '../src/serf/pattern.ts';
import {
  decodeCoordinate,
  decodeSerf,
  decodeSerfState,
  encodeCoordinate,
  encodeSerf,
  encodeSerfState,
} from '../src/wire.ts';
import { Writer } from '../src/wire/msgpack.ts';
import { CoreRig } from './core-rig.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const at = (n: number) => ({ host: `10.0.0.${n}`, port: 7946 });

type Effect = SerfEffect | TimerEffect;

class SerfRig {
  core: SerfCore;
  nowMs = 0;
  #said: Effect[] = [];
  readonly #out: Sink<SerfEffect> = { observer: null, emit: (effect) => void this.#said.push(effect) };

  constructor(config: Partial<SwimConfigInput> = {}) {
    this.core = SerfRig.make(config);
    this.input({ type: 'START', address: at(254) });
  }

  static make(config: Partial<SwimConfigInput> = {}): SerfCore {
    return new SerfCore({ config: parseSwimConfig({ name: 'me', ...config }), seed: 1, encode: encodeSerf });
  }

  input(input: SerfInput | TimerInput): void {
    this.core.handle(input, this.nowMs, this.#out);
  }

  hear(message: SerfMessage): Effect[] {
    this.#said = [];
    this.input({ type: 'HEARD', message, bytes: encodeSerf(message) });
    return this.#said;
  }

  member(notice: 'Joined' | 'Dead' | 'Left' | 'Reaped', name: string, n = 9): void {
    this.input({ type: 'MEMBER', notice, name, address: at(n) });
  }

  said<T extends Effect['type']>(type: T): Extract<Effect, { type: T }>[] {
    return this.#said.filter((effect): effect is Extract<Effect, { type: T }> => effect.type === type);
  }

  /** What was said since the last look, by type. */
  take(): string[] {
    const types = this.#said.map(({ type }) => type);
    this.#said = [];
    return types;
  }
}

const event = (lTime: number, name = 'e', text = ''): SerfMessage => ({
  type: 'event',
  lTime,
  name,
  payload: bytes(text),
  coalesce: false,
});
const query = (more: Partial<QueryMessage> = {}): QueryMessage => ({
  type: 'query',
  lTime: 3,
  id: 7,
  address: at(1),
  sourceNode: 'asker',
  filters: [],
  acks: false,
  noBroadcast: false,
  relayFactor: 0,
  timeoutMs: 1000,
  name: 'q',
  payload: bytes('?'),
  ...more,
});
const state = (more: Partial<SerfState> = {}): SerfState => ({
  lTime: 1,
  statusLTimes: [],
  left: [],
  eventLTime: 1,
  events: [],
  queryLTime: 1,
  ...more,
});

describe('user events', () => {
  it('are delivered and passed on once, however often they come', () => {
    const rig = new SerfRig();
    expect(rig.hear(event(5)).map(({ type }) => type)).toEqual(['deliverEvent', 'broadcast']);
    expect(rig.hear(event(5))).toEqual([]);
    expect(rig.hear(event(5, 'other')).map(({ type }) => type)).toEqual(['deliverEvent', 'broadcast']);
  });

  it('bear a later time than anything heard before', () => {
    const rig = new SerfRig();
    rig.hear(event(40));
    rig.take();
    rig.input({ type: 'SEND_EVENT', name: 'mine', payload: bytes('x'), coalesce: true });
    const [delivered] = rig.said('deliverEvent');
    expect(delivered).toMatchObject({ name: 'mine', lTime: 41, coalesce: true });
    const [sent] = rig.said('broadcast');
    expect(decodeSerf(sent?.payload ?? bytes(''))).toMatchObject({
      type: 'event',
      lTime: 41,
      coalesce: true,
    });
  });

  it('older than the buffer are taken for known', () => {
    const rig = new SerfRig({ serf: { eventBuffer: 16 } });
    rig.hear(event(100));
    expect(rig.hear(event(85)).map(({ type }) => type)).toEqual(['deliverEvent', 'broadcast']);
    expect(rig.hear(event(84))).toEqual([]);
  });

  it('of an absurd time or size are refused and counted', () => {
    const rig = new SerfRig();
    expect(rig.hear(event(2 ** 40))).toEqual([{ type: 'countRefused', reason: 'lamport' }]);
    expect(rig.hear(event(5, 'e', 'x'.repeat(10_000)))).toEqual([
      { type: 'countRefused', reason: 'too_large' },
    ]);
    expect(rig.hear(event(6)).map(({ type }) => type)).toEqual(['deliverEvent', 'broadcast']);
  });

  it('missed before come with push/pull, but not to a member that has just joined', () => {
    const past = state({
      eventLTime: 9,
      events: [{ lTime: 8, events: [{ name: 'missed', payload: bytes('') }] }],
    });
    const rig = new SerfRig();
    rig.input({ type: 'STATE_HEARD', state: past, isJoin: false });
    expect(rig.said('deliverEvent').map(({ name }) => name)).toEqual(['missed']);
    const joiner = new SerfRig();
    joiner.input({ type: 'STATE_HEARD', state: past, isJoin: true });
    expect(joiner.said('deliverEvent')).toEqual([]);
    expect(joiner.hear(event(8, 'late'))).toEqual([]);
    expect(joiner.hear(event(9, 'now')).map(({ type }) => type)).toEqual(['deliverEvent', 'broadcast']);
  });
});

describe('queries to us', () => {
  it('are delivered and passed on once, acknowledged where asked, and answered to the asker', () => {
    const rig = new SerfRig();
    const said = rig.hear(query({ acks: true }));
    expect(said.map(({ type }) => type)).toEqual(['sendTo', 'deliverQuery', 'broadcast']);
    expect(rig.hear(query({ acks: true }))).toEqual([]);
    rig.input({ type: 'ANSWER', to: query(), payload: bytes('!') });
    const [answer] = rig.said('sendTo');
    expect(answer?.to).toEqual(at(1));
    expect(decodeSerf(answer?.payload ?? bytes(''))).toEqual({
      type: 'response',
      lTime: 3,
      id: 7,
      from: 'me',
      ack: false,
      payload: bytes('!'),
    });
  });

  it('not to be broadcast are not', () => {
    const rig = new SerfRig();
    expect(rig.hear(query({ noBroadcast: true })).map(({ type }) => type)).toEqual(['deliverQuery']);
  });

  it('for others are only passed on', () => {
    const rig = new SerfRig({ tags: { role: 'db-1' } });
    const forNodes = query({ filters: [{ kind: 'nodes', nodes: ['you'] }], acks: true });
    expect(rig.hear(forNodes).map(({ type }) => type)).toEqual(['broadcast']);
    const forTags = (id: number, pattern: string): QueryMessage =>
      query({
        id,
        filters: [
          { kind: 'nodes', nodes: ['me'] },
          { kind: 'tag', tag: 'role', pattern },
        ],
      });
    expect(rig.hear(forTags(8, '^web')).map(({ type }) => type)).toEqual(['broadcast']);
    expect(rig.hear(forTags(9, '^db')).map(({ type }) => type)).toEqual(['deliverQuery', 'broadcast']);
    rig.input({ type: 'TAGS_SET', tags: { role: 'web' } });
    expect(rig.hear(forTags(10, '^web')).map(({ type }) => type)).toEqual(['deliverQuery', 'broadcast']);
  });

  it('are answered through others too where the asker wants it', () => {
    const rig = new SerfRig();
    for (const [i, name] of ['a', 'b', 'c', 'asker'].entries()) rig.member('Joined', name, i + 2);
    rig.member('Dead', 'c');
    rig.take();
    rig.input({ type: 'ANSWER', to: query({ relayFactor: 5 }), payload: bytes('!') });
    const [direct, ...relayed] = rig.said('sendTo');
    expect(direct?.to).toEqual(at(1));
    expect(relayed.map(({ to }) => to.host).sort()).toEqual(['10.0.0.2', '10.0.0.3']);
    const relay = decodeSerf(relayed[0]?.payload ?? bytes(''));
    expect(relay).toMatchObject({ type: 'relay', to: at(1), node: 'asker', payload: direct?.payload });
    const passed = new SerfRig().hear(relay as SerfMessage);
    expect(passed).toEqual([{ type: 'sendTo', to: at(1), payload: direct?.payload }]);
  });

  it('have a last moment, bounded by ours', () => {
    const rig = new SerfRig({ serf: { queryTimeoutMaxMs: 5000 } });
    rig.nowMs = 10;
    rig.hear(query({ timeoutMs: 300 }));
    expect(rig.said('deliverQuery')[0]?.deadlineMs).toBe(310);
    rig.hear(query({ id: 8, timeoutMs: 1e15 }));
    expect(rig.said('deliverQuery')[0]?.deadlineMs).toBe(5010);
  });
});

describe('our own queries', () => {
  const ask = (rig: SerfRig, timeoutMs: number | null = 500): QueryMessage => {
    rig.take();
    const request = { name: 'q', payload: bytes('?'), filters: [], acks: true, relayFactor: 0, timeoutMs };
    rig.input({ type: 'ASK', query: '1', ...request });
    return decodeSerf(rig.said('broadcast')[0]?.payload ?? bytes('')) as QueryMessage;
  };
  const answer = ({ lTime, id }: QueryMessage, from: string, ack = false): SerfMessage => ({
    type: 'response',
    lTime,
    id,
    from,
    ack,
    payload: bytes('!'),
  });

  it('get one answer and one ack of each member, our own among them, until their time is over', () => {
    const rig = new SerfRig();
    const asked = ask(rig);
    expect(asked).toMatchObject({ sourceNode: 'me', address: at(254), timeoutMs: 500, acks: true });
    expect(rig.said('deliverAnswer')).toMatchObject([{ query: '1', from: 'me', ack: true }]);
    expect(rig.said('deliverQuery')).toHaveLength(1);
    const [timer] = rig.said('setTimer');
    expect(timer?.delayMs).toBe(500);
    expect(rig.hear(answer(asked, 'a', true))).toMatchObject([
      { type: 'deliverAnswer', from: 'a', ack: true },
    ]);
    expect(rig.hear(answer(asked, 'a'))).toMatchObject([{ type: 'deliverAnswer', from: 'a', ack: false }]);
    expect(rig.hear(answer(asked, 'a'))).toEqual([]);
    expect(rig.hear(answer({ ...asked, id: asked.id + 1 }, 'b'))).toEqual([
      { type: 'countRefused', reason: 'late' },
    ]);
    expect(rig.hear(answer({ ...asked, lTime: asked.lTime + 1 }, 'b'))).toHaveLength(1);
    rig.take();
    rig.input({ type: 'TIMER', timer: timer?.timer ?? '' });
    expect(rig.take()).toEqual(['queryFinished']);
    expect(rig.core.openQueries).toBe(0);
    expect(rig.hear(answer(asked, 'b'))).toEqual([{ type: 'countRefused', reason: 'late' }]);
  });

  it('end when they are given up', () => {
    const rig = new SerfRig();
    ask(rig);
    rig.take();
    rig.input({ type: 'CANCEL_QUERY', query: '1' });
    expect(rig.take()).toEqual(['cancelTimer', 'queryFinished']);
    rig.input({ type: 'CANCEL_QUERY', query: '1' });
    expect(rig.take()).toEqual([]);
  });

  it('take 16 gossip rounds, and more in a larger pool', () => {
    const small = new SerfRig();
    small.member('Joined', 'a');
    expect(ask(small, null).timeoutMs).toBe(3200);
    const large = new SerfRig();
    for (let i = 0; i < 20; i++) large.member('Joined', `n${i}`);
    expect(ask(large, null).timeoutMs).toBe(6400);
  });
});

describe('intents', () => {
  it('make a silence a leave, and membership is told', () => {
    const rig = new SerfRig();
    rig.member('Joined', 'a');
    expect(rig.hear({ type: 'leave', lTime: 4, node: 'a' }).map(({ type }) => type)).toEqual(['broadcast']);
    expect(rig.hear({ type: 'leave', lTime: 4, node: 'a' })).toEqual([]);
    rig.take();
    rig.member('Dead', 'a');
    expect(rig.said('declareLeft')).toEqual([{ type: 'declareLeft', member: 'a' }]);
    expect(rig.core.intentOf('a')).toBe('left');
  });

  it('heard before the member itself still count', () => {
    const rig = new SerfRig();
    expect(rig.hear({ type: 'leave', lTime: 4, node: 'a' }).map(({ type }) => type)).toEqual(['broadcast']);
    expect(rig.hear({ type: 'join', lTime: 3, node: 'a' })).toEqual([]);
    rig.member('Joined', 'a');
    expect(rig.core.intentOf('a')).toBe('leaving');
    rig.member('Left', 'a');
    rig.member('Reaped', 'a');
    expect(rig.core.intentOf('a')).toBeUndefined();
  });

  it('to leave that we do not have are contradicted, later than they were', () => {
    const rig = new SerfRig();
    const said = rig.hear({ type: 'leave', lTime: 20, node: 'me' });
    const [sent] = said.filter((effect) => effect.type === 'broadcast');
    expect(decodeSerf(sent?.payload ?? bytes(''))).toEqual({ type: 'join', lTime: 21, node: 'me' });
    // The same again is older than what we have said.
    expect(rig.hear({ type: 'leave', lTime: 20, node: 'me' })).toEqual([]);
  });

  it('of ours: a join when we have joined, a leave before we leave, sent often enough first', () => {
    const rig = new SerfRig();
    rig.member('Joined', 'a');
    rig.take();
    rig.input({ type: 'JOINED' });
    expect(decodeSerf(rig.said('broadcast')[0]?.payload ?? bytes(''))).toMatchObject({
      type: 'join',
      node: 'me',
    });
    rig.take();
    rig.input({ type: 'LEAVE' });
    expect(decodeSerf(rig.said('broadcast')[0]?.payload ?? bytes(''))).toMatchObject({
      type: 'leave',
      lTime: 2,
    });
    // One other member, four sends, a round more.
    expect(rig.said('setTimer')).toEqual([{ type: 'setTimer', timer: 'leave', delayMs: 1000 }]);
    rig.take();
    rig.input({ type: 'LEAVE' });
    expect(rig.hear({ type: 'leave', lTime: 2, node: 'me' })).toEqual([]);
    rig.input({ type: 'TIMER', timer: 'leave' });
    expect(rig.take()).toEqual(['leaveAnnounced']);
  });

  it('are not needed where nobody is left to hear them', () => {
    const rig = new SerfRig();
    rig.take();
    rig.input({ type: 'LEAVE' });
    expect(rig.take()).toEqual(['leaveAnnounced']);
  });

  it('travel with push/pull, a leave for those that said so', () => {
    const rig = new SerfRig();
    rig.member('Joined', 'a');
    rig.member('Joined', 'b');
    rig.hear({ type: 'leave', lTime: 4, node: 'a' });
    rig.hear({ type: 'join', lTime: 5, node: 'b' });
    const sent = rig.core.state();
    expect(sent).toMatchObject({ lTime: 6, left: ['a'] });
    expect(new Map(sent.statusLTimes)).toEqual(
      new Map([
        ['me', 0],
        ['a', 4],
        ['b', 5],
      ]),
    );
    const other = new SerfRig({ name: 'you' });
    other.member('Joined', 'a');
    other.member('Joined', 'b');
    other.input({ type: 'STATE_HEARD', state: sent, isJoin: false });
    expect(other.core.intentOf('a')).toBe('leaving');
    expect(other.core.intentOf('b')).toBe('alive');
    expect(other.core.state().lTime).toBe(6);
  });

  it('of absurd times are refused, in push/pull too', () => {
    const rig = new SerfRig();
    rig.member('Joined', 'a');
    expect(rig.hear({ type: 'leave', lTime: 2 ** 50, node: 'a' })).toEqual([
      { type: 'countRefused', reason: 'lamport' },
    ]);
    for (const absurd of [{ lTime: 2 ** 50 }, { eventLTime: 2 ** 50 }, { queryLTime: 2 ** 50 }]) {
      rig.take();
      rig.input({ type: 'STATE_HEARD', state: state(absurd), isJoin: false });
      expect(rig.take()).toEqual(['countRefused']);
    }
    expect(rig.core.state()).toMatchObject({ lTime: 1, eventLTime: 1, queryLTime: 1 });
  });
});

it('a restored core goes on as the one it was taken from', () => {
  const rig = new SerfRig();
  rig.member('Joined', 'a');
  rig.hear({ type: 'leave', lTime: 4, node: 'a' });
  rig.hear({ type: 'leave', lTime: 4, node: 'early' });
  rig.hear(event(9));
  rig.hear(query());
  rig.input({
    type: 'ASK',
    query: '1',
    name: 'q',
    payload: bytes(''),
    filters: [],
    acks: true,
    relayFactor: 0,
    timeoutMs: 5,
  });
  const copy = SerfRig.make();
  copy.restore(rig.core.checkpoint());
  expect(copy.state()).toEqual(rig.core.state());
  expect(copy.checkpoint()).toEqual(rig.core.checkpoint());
  rig.core = copy;
  expect(rig.hear(event(9))).toEqual([]);
  expect(rig.hear(query())).toEqual([]);
  expect(rig.core.openQueries).toBe(1);
});

describe("Serf's wire", () => {
  const messages: SerfMessage[] = [
    { type: 'leave', lTime: 2 ** 40, node: 'a' },
    { type: 'join', lTime: 1, node: 'b' },
    event(7, 'deploy', 'v1'),
    query({
      acks: true,
      relayFactor: 3,
      filters: [
        { kind: 'nodes', nodes: ['a', 'b'] },
        { kind: 'tag', tag: 'role', pattern: '^db' },
      ],
    }),
    query({ noBroadcast: true, timeoutMs: 15_000 }),
    { type: 'response', lTime: 3, id: 0xffff_ffff, from: 'c', ack: true, payload: bytes('') },
    { type: 'relay', to: at(3), node: 'd', payload: bytes('anything') },
  ];

  it.each(messages.map((message) => [message.type, message] as const))('carries a %s', (_type, message) => {
    expect(decodeSerf(encodeSerf(message))).toEqual(message);
  });

  it('carries the state, also with the empty places of a Go ring', () => {
    const full = state({
      lTime: 9,
      statusLTimes: [
        ['a', 3],
        ['b', 2 ** 33],
      ],
      left: ['b'],
      eventLTime: 4,
      events: [{ lTime: 3, events: [{ name: 'e', payload: bytes('x') }] }],
      queryLTime: 2,
    });
    expect(decodeSerfState(encodeSerfState(full))).toEqual(full);
    const go = new Writer().u8(2).map(6).key('LTime').uint(1).key('StatusLTimes').map(0);
    go.key('LeftMembers').u8(0xc0).key('EventLTime').uint(2).key('Events').array(2).u8(0xc0).u8(0xc0);
    expect(decodeSerfState(go.key('QueryLTime').uint(3).take())).toEqual(
      state({ eventLTime: 2, queryLTime: 3 }),
    );
  });

  it('gives a reason for what it cannot read, and never throws', () => {
    expect(decodeSerf(bytes(''))).toBe('type');
    expect(decodeSerf(Uint8Array.of(99))).toBe('type');
    expect(decodeSerf(encodeSerf(event(5)).subarray(0, 9))).toBe('truncated');
    const huge = new Writer()
      .u8(1)
      .map(2)
      .key('LTime')
      .u8(0xcf)
      .u32(0xffff_ffff)
      .u32(0)
      .key('Node')
      .text('a');
    expect(decodeSerf(huge.take())).toBe('lamport');
    const prng = Prng.fromSeed(1);
    const whole = [...messages.map(encodeSerf), encodeSerfState(state({ statusLTimes: [['a', 1]] }))];
    for (let i = 0; i < 20_000; i++) {
      const hostile = (prng.pick(whole) ?? bytes('')).slice(0, prng.between(0, 200));
      for (let flips = prng.between(0, 4); flips > 0 && hostile.length > 0; flips--)
        hostile[prng.below(hostile.length)] = prng.below(256);
      decodeSerf(hostile);
      decodeSerfState(hostile);
    }
  });
});

describe('the patterns of tag filters', () => {
  it.each([
    ['^db', 'db-1', true],
    ['^db', 'a-db', false],
    ['db$', 'a-db', true],
    ['db$', 'db-1', false],
    ['web|db', 'a-db-1', true],
    ['^(web|db)[0-9]+$', 'db42', true],
    ['^(web|db)[0-9]+$', 'db', false],
    ['^a*b?c$', 'aac', true],
    ['^a*b?c$', 'aabbc', false],
    ['^v1\\.2$', 'v1.2', true],
    ['^v1\\.2$', 'v1x2', false],
    ['^[^a-c]\\d\\w\\s$', 'x1_ ', true],
    ['^[^a-c]\\d\\w\\s$', 'b1_ ', false],
    ['', 'anything', true],
    ['a.c', 'xabcx', true],
    ['(a|)b', 'b', true],
  ])('%s on %s: %s', (pattern, text, expected) => {
    expect(compilePattern(pattern)?.(text)).toBe(expected);
  });

  it.each(['(', ')', '*a', 'a{2}', '[a', '\\', '\\b', '[[:alpha:]]', 'x'.repeat(257)])(
    'what is not understood is refused: %s',
    (pattern) => {
      expect(compilePattern(pattern)).toBeNull();
    },
  );

  it('take time linear in the text, where backtracking would never end', () => {
    expect(compilePattern('^(a+)+$')?.(`${'a'.repeat(5000)}!`)).toBe(false);
    expect(compilePattern('(a*)*b')?.('a'.repeat(5000))).toBe(false);
  });
});

describe('network coordinates', () => {
  const far = { vec: [0.1, 0, 0, 0, 0, 0, 0, 0], error: 0.5, adjustment: 0, height: 0.001 };

  it('come to estimate round trips between members that never measured each other', () => {
    // Places on a plane, a millisecond's access each: the truth that is to be found.
    const places = Array.from(
      { length: 12 },
      (_, i) => [Math.cos(i) * 0.04, Math.sin(i * 2) * 0.04] as const,
    );
    const truth = (a: number, b: number): number => {
      const [p, q] = [places[a] ?? [0, 0], places[b] ?? [0, 0]];
      return Math.hypot(p[0] - q[0], p[1] - q[1]) + 0.002;
    };
    const nodes = places.map((_, i) => new Vivaldi(Prng.fromSeed(i)));
    const prng = Prng.fromSeed(99);
    // Of every pair whose numbers add up to a multiple of three nothing is ever measured.
    for (let round = 0; round < 6000; round++) {
      const [a, b] = [prng.below(12), prng.below(12)];
      if (a === b || (a + b) % 3 === 0) continue;
      nodes[a]?.measured(`n${b}`, nodes[b]?.own ?? origin, truth(a, b));
    }
    const errors: number[] = [];
    for (let a = 0; a < 12; a++)
      for (let b = 0; b < a; b++)
        if ((a + b) % 3 === 0)
          errors.push(
            Math.abs(distance(nodes[a]?.own ?? origin, nodes[b]?.own ?? origin) - truth(a, b)) / truth(a, b),
          );
    const median = errors.sort((x, y) => x - y)[errors.length >> 1] ?? 1;
    expect(median).toBeLessThan(0.1);
    for (const { own } of nodes) expect(own.error).toBeLessThan(0.5);
  });

  it('are not moved by what cannot be', () => {
    const vivaldi = new Vivaldi(Prng.fromSeed(1));
    expect(vivaldi.measured('a', { ...far, error: NaN }, 0.01)).toBe(false);
    expect(vivaldi.measured('a', { ...far, vec: [1] }, 0.01)).toBe(false);
    for (const seconds of [-1, 11, NaN]) expect(vivaldi.measured('a', far, seconds)).toBe(false);
    expect(vivaldi.own).toEqual(origin);
    // Values whose sums overflow throw us back to the origin, not out of it.
    const huge = { vec: Array<number>(8).fill(1.7e308), error: 1, adjustment: 0, height: 1 };
    vivaldi.measured('a', huge, 1);
    expect(isValid(vivaldi.own)).toBe(true);
  });

  it('are not moved by a single delayed answer', () => {
    const vivaldi = new Vivaldi(Prng.fromSeed(1));
    for (let i = 0; i < 50; i++) vivaldi.measured('a', far, 0.1);
    const before = distance(vivaldi.own, far);
    vivaldi.measured('a', far, 9);
    expect(Math.abs(distance(vivaldi.own, far) - before)).toBeLessThan(0.01);
  });

  it('travel with our answers to pings, and theirs come back with ours', () => {
    const rig = new SerfRig();
    expect(rig.said('coordinateMoved')[0]?.coordinate).toEqual(origin);
    rig.member('Joined', 'a');
    rig.take();
    const measured = { type: 'MEASURED', name: 'a', coordinate: far, roundTripMs: 150 } as const;
    rig.input(measured);
    expect(rig.core.coordinate('a')).toEqual(far);
    expect(rig.said('coordinateMoved')[0]?.coordinate).toEqual(rig.core.coordinate('me'));
    expect(rig.core.coordinate('me')).not.toEqual(origin);
    const copy = SerfRig.make();
    copy.restore(rig.core.checkpoint());
    expect([copy.coordinate('me'), copy.coordinate('a')]).toEqual([rig.core.coordinate('me'), far]);
    rig.take();
    rig.input({ ...measured, roundTripMs: 1e9 });
    expect(rig.take()).toEqual(['countRefused']);
    rig.member('Reaped', 'a');
    expect(rig.core.coordinate('a')).toBeUndefined();
    rig.take();
    rig.input(measured);
    expect(rig.take()).toEqual([]);
  });

  it('have their form on the wire, and anything else is no coordinate', () => {
    expect(decodeCoordinate(encodeCoordinate(far))).toEqual(far);
    const encoded = encodeCoordinate(far);
    expect(decodeCoordinate(bytes(''))).toBeNull();
    expect(decodeCoordinate(encoded.subarray(0, encoded.length - 1))).toBeNull();
    expect(decodeCoordinate(Uint8Array.of(2, ...encoded.subarray(1)))).toBeNull();
    expect(decodeCoordinate(encodeCoordinate({ ...far, vec: [1, 2] }))).toBeNull();
  });

  it('go with an ack, and come with one', () => {
    const rig = CoreRig.with(['a', 'b']);
    rig.input({ type: 'ACK_PAYLOAD_SET', payload: bytes('here') });
    rig.hear({ type: 'ping', seqNo: 5, node: 'me', source: null });
    expect(rig.sent('ack')[0]?.message).toMatchObject({ seqNo: 5, payload: bytes('here') });
    const restored = new CoreRig();
    restored.core.restore(rig.core.checkpoint());
    restored.hear({ type: 'ping', seqNo: 6, node: 'me', source: null });
    expect(restored.sent('ack')[0]?.message.payload).toEqual(bytes('here'));
    const ping = rig.until('send', 3000, ({ messages }) => messages[0]?.type === 'ping');
    const [message] = ping.messages;
    rig.hear({ type: 'ack', seqNo: message?.type === 'ping' ? message.seqNo : 0, payload: bytes('there') });
    expect(rig.said('countProbe').at(-1)).toMatchObject({ outcome: 'answered', payload: bytes('there') });
  });
});

describe('user broadcasts', () => {
  it('are not starved by a flood of membership news, nor membership by them', () => {
    const rig = CoreRig.with(['a', 'b', 'c'], { gossipFanout: 1 });
    const payload = new Uint8Array(900);
    const tick = (i: number): void => {
      // More news than the packets have room for.
      rig.hear(
        ...Array.from({ length: 40 }, (_, k) => ({
          type: 'alive' as const,
          incarnation: i + 1,
          node: `n${k}`,
          address: at(k),
          meta: new Uint8Array(60),
          vsn: Uint8Array.of(1, 5, 2, 2, 5, 5),
        })),
      );
      rig.run(200);
    };
    tick(1);
    rig.take();
    for (let i = 0; i < 20; i++) rig.input({ type: 'USER_BROADCAST', rank: 'event', name: `e${i}`, payload });
    for (let i = 2; i < 22; i++) tick(i);
    expect(rig.sent('user').length).toBeGreaterThanOrEqual(10);
    expect(rig.sent('alive').length).toBeGreaterThanOrEqual(50);
    for (const { messages } of rig.said('send')) expect(messages.length).toBeLessThanOrEqual(255);
  });

  it('leave in the order intent, query, event, and end after their transmissions', () => {
    const rig = CoreRig.with(['a', 'b', 'c'], { gossipFanout: 1 });
    for (const rank of ['event', 'query', 'intent'] as const)
      rig.input({ type: 'USER_BROADCAST', rank, name: 'x', payload: bytes(rank) });
    const restored = new CoreRig({ gossipFanout: 1 });
    restored.core.restore(rig.core.checkpoint());
    expect(restored.core.queued).toBe(3);
    rig.run(200);
    const first = rig.sent('user').map(({ message }) => new TextDecoder().decode(message.payload));
    expect(first).toEqual(['intent', 'query', 'event']);
    rig.run(5000);
    expect(rig.sent('user')).toHaveLength(3 * 4);
    expect(rig.core.queued).toBe(0);
  });

  it('are dropped at the bound, and that is counted', () => {
    const rig = CoreRig.with(['a'], { serf: { broadcastsMax: 16 } });
    for (let i = 0; i < 20; i++)
      rig.input({ type: 'USER_BROADCAST', rank: 'event', name: `e${i}`, payload: bytes('') });
    expect(rig.said('countDroppedBroadcast')).toHaveLength(4);
    expect(rig.core.queued).toBe(16);
  });
});

describe('key changes asked for by the pool', () => {
  const [one, two] = [Buffer.alloc(32, 1), Buffer.alloc(16, 2)];
  const request = (key: Uint8Array): Uint8Array => new Writer().u8(7).map(1).key('Key').raw(key).take();
  const make = (acceptRemoteKeys: boolean) => {
    const { keys } = keyring([one.toString('base64')]);
    const changes: string[] = [];
    const internal = new InternalQueries({
      keys: new GossipKeys([], keys, undefined),
      named: () => undefined,
      acceptRemoteKeys,
      onKeysChanged: () => void changes.push('!'),
    });
    const answer = (name: string, payload: Uint8Array): Uint8Array => {
      let answered = bytes('');
      internal.answer(name, payload, (given) => (answered = given));
      return answered;
    };
    const ask = (name: string, payload: Uint8Array): string =>
      new TextDecoder('latin1').decode(answer(name, payload));
    const result = (name: string, payload: Uint8Array): boolean => answer(name, payload).at(-1) === 0xc3;
    return { keys, changes, ask, result };
  };

  it('are refused unless configured', () => {
    const { keys, changes, ask } = make(false);
    expect(ask('install-key', request(two))).toContain('keyring.acceptRemote');
    expect(keys.list()).toHaveLength(1);
    expect(changes).toEqual([]);
    expect(ask('list-keys', bytes(''))).toContain(one.toString('base64'));
  });

  it('install, use and remove, each with what it refuses', () => {
    const { keys, changes, ask, result } = make(true);
    expect(ask('use-key', request(two))).toContain('not in the keyring');
    expect(ask('install-key', request(bytes('short')))).toContain('16, 24 or 32');
    expect(ask('install-key', bytes('junk'))).toContain('cannot be read');
    expect(result('install-key', request(two))).toBe(true);
    expect(result('install-key', request(two))).toBe(true);
    expect(keys.list()).toHaveLength(2);
    expect(result('use-key', request(two))).toBe(true);
    expect(Buffer.from(keys.list()[0] ?? bytes(''))).toEqual(two);
    expect(ask('remove-key', request(two))).toContain('primary');
    expect(result('remove-key', request(one))).toBe(true);
    expect(keys.list()).toHaveLength(1);
    expect(changes).toHaveLength(4);
    expect(ask('ping', bytes(''))).toBe('');
  });
});

describe('a pool of ours in the simulated world', () => {
  const pool = (size: number, seed: number, config: Partial<SwimConfigInput> = {}) => {
    const world = new World({ seed });
    const engines: SwimEngine[] = [];
    const heard: string[][] = [];
    for (let i = 0; i < size; i++) {
      const mine: string[] = [];
      heard.push(mine);
      world.spawn(`n${i}`, ({ host, clock, datagrams, streams, seed: own }) => {
        const parsed = parseSwimConfig({
          name: `n${i}`,
          bind: { host, port: 7946 },
          tags: { n: String(i) },
          ...config,
        });
        const engine = new SwimEngine(parsed, { clock, datagrams, streams, seed: own });
        engines.push(engine);
        engine.onUserEvent(({ name, payload }) => mine.push(`${name} ${new TextDecoder().decode(payload)}`));
        engine.start(() => engine.join([{ host: world.addressOf('n0'), port: 7946 }], () => undefined));
        return { stop: () => engine.stop() };
      });
    }
    world.runFor(5000);
    return { world, engines, heard };
  };

  it('hears every event once', () => {
    const { world, engines, heard } = pool(8, 3);
    engines[3]?.sendEvent('deploy', bytes('v1'));
    engines[4]?.sendEvent('deploy', bytes('v2'));
    world.runFor(10_000);
    for (const mine of heard) expect(mine.slice().sort()).toEqual(['deploy v1', 'deploy v2']);
  });

  it('answers a query, each member once, and only those that pass the filters', () => {
    const { world, engines } = pool(8, 4);
    for (const [i, engine] of engines.entries())
      engine.onQuery('who', (_query, respond) => {
        respond(bytes(`n${i}`));
        respond(bytes('twice'));
      });
    const answers: string[] = [];
    let finished = 0;
    engines[2]?.query(
      {
        name: 'who',
        payload: bytes(''),
        filters: [{ kind: 'tag', tag: 'n', pattern: '[1-5]' }],
        acks: true,
        relayFactor: 2,
        timeoutMs: null,
      },
      {
        answer: ({ type, from, payload }) =>
          answers.push(`${type} ${from} ${new TextDecoder().decode(payload)}`),
        finished: () => void finished++,
      },
    );
    world.runFor(10_000);
    const expected = [1, 2, 3, 4, 5].flatMap((n) => [`ack n${n} `, `response n${n} n${n}`]);
    expect(answers.sort()).toEqual(expected.sort());
    expect(finished).toBe(1);
  });

  it('refuses what is too large or too much, and says so', () => {
    const { engines } = pool(1, 5, { serf: { queriesMax: 1 } });
    const [engine] = engines;
    const request = {
      name: 'q',
      payload: bytes(''),
      filters: [],
      acks: false,
      relayFactor: 0,
      timeoutMs: 100,
    };
    const sink = { answer: () => undefined, finished: () => undefined };
    expect(() => engine?.sendEvent('e', new Uint8Array(513))).toThrow(/more than 512/);
    expect(() => engine?.query({ ...request, payload: new Uint8Array(1024) }, sink)).toThrow(
      /more than 1024/,
    );
    engine?.query(request, sink);
    expect(() => engine?.query(request, sink)).toThrow(/open already/);
  });

  it('hears what happened in the pool of a joiner, also while it joins elsewhere itself', () => {
    const { world, engines, heard } = pool(1, 6);
    const late: string[] = [];
    world.spawn('late', ({ host, clock, datagrams, streams, seed }) => {
      const config = parseSwimConfig({ name: 'late', bind: { host, port: 7946 } });
      const engine = new SwimEngine(config, { clock, datagrams, streams, seed });
      engine.onUserEvent(({ name }) => late.push(name));
      engine.start(() => {
        engine.sendEvent('of the joiner', bytes(''));
        clock.setTimer(100, () =>
          engine.join([{ host: world.addressOf('n0'), port: 7946 }], () => undefined),
        );
      });
      return { stop: () => engine.stop() };
    });
    engines[0]?.sendEvent('of the pool', bytes(''));
    engines[0]?.join([{ host: '10.99.0.1', port: 7946 }], () => undefined);
    world.runFor(5000);
    expect(heard).toEqual([['of the pool ', 'of the joiner ']]);
    expect(late).toEqual(['of the joiner']);
  });

  it('estimates the round trip between any two members', () => {
    const { world, engines } = pool(4, 7);
    world.runFor(30_000);
    const [first] = engines;
    expect(first?.coordinate()).toEqual(first?.coordinate('n0'));
    const estimate = first?.estimateRttMs('n1', 'n2') ?? NaN;
    expect(estimate).toBeGreaterThan(0);
    expect(estimate).toBeLessThan(1000);
    expect(first?.estimateRttMs('n1')).toBeGreaterThan(0);
    expect(first?.estimateRttMs('stranger')).toBeUndefined();
  });

  it('has no Serf layer where it is switched off', () => {
    const { engines } = pool(2, 6, { serf: { enabled: false } });
    expect(engines[0]?.members()).toHaveLength(2);
    expect(() => engines[0]?.sendEvent('e', bytes(''))).toThrow(/off here/);
  });
});
