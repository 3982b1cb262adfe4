/** What memberlist promises of membership, and what we add, each as a sentence; a core driven by hand, no network. */
import { describe, expect, it } from 'vitest';
import type { Message, PeerRecord } from '../src/core/messages.ts';
import { encodeMessage } from '../src/wire.ts';
import { addressOf, alive, CoreRig, dead, noBytes, peer, suspect, vsn } from './core-rig.ts';

const others = ['a', 'b', 'c', 'd'];
const ack = (seqNo: number): Message => ({ type: 'ack', seqNo, payload: noBytes });
const nack = (seqNo: number): Message => ({ type: 'nack', seqNo });

/** The next direct ping of ours. */
const nextPing = (rig: CoreRig): { target: string; seqNo: number } => {
  rig.take();
  const { messages } = rig.until('send', 20_000, ({ messages: [first] }) => first?.type === 'ping');
  const [ping] = messages;
  if (ping?.type !== 'ping') throw new Error('no ping');
  return { target: ping.node, seqNo: ping.seqNo };
};
const answerExchange = (rig: CoreRig, members: readonly PeerRecord[]): void =>
  rig.input({
    type: 'EXCHANGE_ASKED',
    stream: 1,
    from: addressOf('a'),
    content: { join: false, members, userState: noBytes },
  });

describe('probing', () => {
  it('of a live member leaves it alive and uses one sequence number for the whole round', () => {
    const rig = CoreRig.with(others);
    const { target, seqNo } = nextPing(rig);
    rig.run(500);
    const asked = rig.sent('indirectPing');
    expect(asked).toHaveLength(3);
    expect(asked.every(({ message }) => message.seqNo === seqNo && message.node === target)).toBe(true);
    rig.hear(ack(seqNo));
    rig.run(400);
    expect(rig.stateOf(target)).toBe('alive');
  });

  it('without any answer makes the member suspect at the end of the period', () => {
    const rig = CoreRig.with(others);
    const { target } = nextPing(rig);
    rig.run(999);
    expect(rig.stateOf(target)).toBe('alive');
    rig.run(2);
    expect(rig.events).toContain(`Suspect ${target}`);
    expect(rig.stateOf(target)).toBe('suspect');
  });

  it('does not accuse a member that has come back or refuted since the ping', () => {
    const rig = CoreRig.with(others);
    const { target } = nextPing(rig);
    rig.run(900);
    rig.hear(alive(target, 2));
    rig.until('countProbe', 200);
    expect(rig.stateOf(target)).toBe('alive');
  });

  it('asks only others that are alive, never the target or ourselves, and says who we are', () => {
    const rig = CoreRig.with(['a', 'b', 'c']);
    rig.hear(suspect('b'));
    const { target } = nextPing(rig);
    rig.run(500);
    const asked = rig.sent('indirectPing').map(({ to }) => to);
    const helpers = ['a', 'c'].filter((name) => name !== target).map((name) => addressOf(name).host);
    expect([...asked].sort()).toEqual(helpers.sort());
    expect(rig.sent('indirectPing')[0]?.message).toMatchObject({ nack: true, source: { node: 'me' } });
  });

  it('does not fail a member that answers over TCP only, and warns', () => {
    const rig = CoreRig.with(others);
    const { target, seqNo } = nextPing(rig);
    rig.run(500);
    expect(rig.said('streamPing')).toMatchObject([{ ping: { seqNo, node: target } }]);
    rig.input({ type: 'STREAM_PING_ANSWERED', seqNo });
    rig.run(500);
    expect(rig.stateOf(target)).toBe('alive');
    expect(rig.said('countProbe')).toMatchObject([{ target, outcome: 'only_stream' }]);
  });

  it('uses no TCP where it is switched off', () => {
    const rig = CoreRig.with(others, { streamProbe: false });
    const { target } = nextPing(rig);
    rig.run(1001);
    expect(rig.said('streamPing')).toEqual([]);
    expect(rig.stateOf(target)).toBe('suspect');
  });

  it('uses no TCP with the members for which it is switched off', () => {
    const [one, two] = ['a', 'b'].map((only) => {
      const rig = CoreRig.with([only], { streamProbeExcept: ['a'] });
      nextPing(rig);
      rig.run(1001);
      return rig.said('streamPing').length;
    });
    expect([one, two]).toEqual([0, 1]);
  });

  it('uses no TCP with a member of a protocol before 3', () => {
    const rig = CoreRig.with([]);
    rig.hear(alive('old', 1, { vsn: Uint8Array.of(1, 2, 2, 2, 5, 5) }));
    nextPing(rig);
    rig.run(1001);
    expect(rig.said('streamPing')).toEqual([]);
  });

  it('takes a late answer to a round that is over for nothing', () => {
    const rig = CoreRig.with(others);
    const { target, seqNo } = nextPing(rig);
    rig.run(1001);
    rig.hear(ack(seqNo));
    expect(rig.stateOf(target)).toBe('suspect');
  });

  it('visits everybody once in a round, and nobody who is dead or has left', () => {
    const rig = CoreRig.with([...others, 'gone', 'left']);
    rig.hear(dead('gone'), dead('left', 1, 'left'));
    const visited: string[] = [];
    for (let i = 0; i < 12; i++) {
      const { target, seqNo } = nextPing(rig);
      visited.push(target);
      rig.hear(ack(seqNo));
    }
    // The first round may have begun before; from then on, four by four.
    const start = [0, 1, 2, 3].find((at) =>
      [0, 4].every((k) => new Set(visited.slice(at + k, at + k + 4)).size === 4),
    );
    expect(start).toBeDefined();
    expect(visited).not.toContain('gone');
    expect(visited).not.toContain('left');
  });

  it('begins at a random moment of the first period', () => {
    const firsts = [1, 2, 3, 4, 5].map((seed) => {
      const rig = new CoreRig({}, seed);
      rig.start();
      rig.hear(alive('a'));
      rig.until('send', 1000, ({ messages: [first] }) => first?.type === 'ping');
      return Math.round(rig.nowMs);
    });
    expect(new Set(firsts).size).toBeGreaterThan(3);
  });

  it('carries the suspicion to a member that is suspect, so that it can refute at once', () => {
    const rig = CoreRig.with(['a']);
    rig.hear(suspect('a'));
    rig.take();
    nextPing(rig);
    expect(rig.sent('suspect')).toContainEqual({ to: addressOf('a').host, message: suspect('a', 1, 'me') });
  });

  it('leaves that to gossip where the buddy system is off', () => {
    const rig = CoreRig.with(['a'], { buddySystem: false });
    rig.hear(suspect('a'));
    rig.take();
    nextPing(rig);
    expect(rig.sent('suspect').map(({ message }) => message.from)).not.toContain('me');
  });
});

describe('our own health', () => {
  it('worsens by each nack that a relay owes us, and the period grows with it', () => {
    const rig = CoreRig.with(others);
    const { seqNo } = nextPing(rig);
    rig.run(600);
    rig.hear(nack(seqNo));
    rig.until('countProbe', 500);
    expect(rig.core.health).toBe(2);
    const beganMs = rig.nowMs;
    rig.take();
    rig.until('countProbe', 10_000);
    expect(Math.round(rig.nowMs - beganMs)).toBe(3000);
  });

  it('stays as it is when every relay has sent its nack', () => {
    const rig = CoreRig.with(others);
    const { seqNo } = nextPing(rig);
    rig.run(600);
    rig.hear(nack(seqNo), nack(seqNo), nack(seqNo));
    rig.run(401);
    expect(rig.core.health).toBe(0);
  });

  it('gets better with each answer, down to 0, and never worse than its bound', () => {
    const rig = CoreRig.with(others, { healthScoreMax: 3 });
    nextPing(rig);
    rig.run(1001);
    expect(rig.core.health).toBe(2);
    const healths = [1, 2, 3].map(() => {
      const { seqNo } = nextPing(rig);
      rig.hear(ack(seqNo));
      return rig.core.health;
    });
    expect(healths).toEqual([1, 0, 0]);
  });
});

describe('a ping from another', () => {
  const ping = (node: string): Message => ({
    type: 'ping',
    seqNo: 9,
    node,
    source: { address: addressOf('asker'), node: 'asker' },
  });

  it('is answered to the source it names', () => {
    const rig = CoreRig.with([]);
    rig.hear(ping('me'));
    expect(rig.sent('ack')).toEqual([{ to: addressOf('asker').host, message: ack(9) }]);
  });

  it('is answered to where it came from, when it names none', () => {
    const rig = CoreRig.with([]);
    rig.hear({ type: 'ping', seqNo: 9, node: '', source: null });
    expect(rig.sent('ack')).toEqual([{ to: addressOf('other').host, message: ack(9) }]);
  });

  it('under a wrong name is not answered, over UDP or TCP', () => {
    const rig = CoreRig.with([]);
    rig.hear(ping('somebody'));
    rig.input({ type: 'STREAM_PING', stream: 4, ping: ping('somebody') as never });
    expect(rig.said('send')).toEqual([]);
    expect(rig.said('refuseStream')).toMatchObject([{ stream: 4 }]);
    rig.input({ type: 'STREAM_PING', stream: 5, ping: ping('me') as never });
    expect(rig.said('answerStreamPing')).toEqual([{ type: 'answerStreamPing', stream: 5, seqNo: 9 }]);
  });
});

describe('a probe for somebody else', () => {
  const request = (wantsNack: boolean): Message => ({
    type: 'indirectPing',
    seqNo: 77,
    target: addressOf('t'),
    node: 't',
    nack: wantsNack,
    source: { address: addressOf('asker'), node: 'asker' },
  });

  it('relays the answer under the number that was asked with', () => {
    const rig = CoreRig.with([]);
    rig.hear(request(true));
    const [ping] = rig.sent('ping');
    expect(ping).toMatchObject({ to: addressOf('t').host, message: { node: 't', source: { node: 'me' } } });
    rig.hear(ack(ping?.message.seqNo as number));
    expect(rig.sent('ack')).toEqual([{ to: addressOf('asker').host, message: ack(77) }]);
    rig.run(2000);
    expect(rig.sent('nack')).toEqual([]);
  });

  it('says so while the asker still waits, if that is wanted', () => {
    const rig = CoreRig.with([]);
    rig.hear(request(true), request(false));
    // The asker has half of its period left: the nack is on its way well before that is over.
    rig.run(399);
    expect(rig.sent('nack')).toEqual([]);
    rig.run(2);
    expect(rig.sent('nack')).toEqual([{ to: addressOf('asker').host, message: nack(77) }]);
    rig.run(2000);
    expect(rig.sent('nack')).toHaveLength(1);
  });

  it('still relays an answer after its nack, until the time of a ping is over', () => {
    const rig = CoreRig.with([]);
    rig.hear(request(true), request(true), request(false));
    const [first, ...others] = rig.sent('ping');
    rig.run(450);
    rig.hear(ack(first?.message.seqNo as number));
    expect(rig.sent('ack')).toEqual([{ to: addressOf('asker').host, message: ack(77) }]);
    rig.run(51);
    for (const { message } of others) rig.hear(ack(message.seqNo));
    expect(rig.sent('ack')).toHaveLength(1);
    expect(rig.sent('nack')).toHaveLength(2);
  });

  it('tells an asker that probes the dead in time: that it failed is no sign of bad health', () => {
    const asker = CoreRig.with(others);
    const { target } = nextPing(asker);
    asker.run(500);
    const asked = asker.sent('indirectPing').map(({ message }) => message);
    const relay = CoreRig.with([]);
    const relayBeganMs = relay.nowMs;
    relay.hear(...asked);
    while (relay.sent('nack').length === 0) relay.run(10);
    // Each way takes 40 ms.
    asker.run(relay.nowMs - relayBeganMs + 80);
    asker.hear(...relay.sent('nack').map(({ message }) => message));
    asker.until('countProbe', 500);
    expect(asker.stateOf(target)).toBe('suspect');
    expect(asker.core.health).toBe(0);
  });

  it('is refused above the bound, and counted', () => {
    const rig = CoreRig.with([], { relaysMax: 1 });
    rig.hear(request(true), request(true));
    expect(rig.rejections).toEqual(['relays']);
    expect(rig.sent('ping')).toHaveLength(1);
  });
});

describe('a suspicion', () => {
  it('that nobody confirms lasts the documented 5 s', () => {
    const rig = CoreRig.with(others);
    rig.answering = true;
    rig.hear(suspect('a'));
    rig.run(4999);
    expect(rig.stateOf('a')).toBe('suspect');
    rig.run(1);
    expect(rig.stateOf('a')).toBe('dead');
    expect(rig.events).toEqual(['Suspect a', 'Dead a']);
  });

  it('that two others confirm ends at its minimum', () => {
    const rig = CoreRig.with(others);
    rig.answering = true;
    rig.hear(suspect('a', 1, 'b'), suspect('a', 1, 'c'), suspect('a', 1, 'd'));
    rig.run(999);
    expect(rig.stateOf('a')).toBe('suspect');
    rig.run(1);
    expect(rig.stateOf('a')).toBe('dead');
  });

  it('does not count the same accuser twice', () => {
    const rig = CoreRig.with(others);
    rig.answering = true;
    rig.hear(suspect('a', 1, 'b'), suspect('a', 1, 'b'), suspect('a', 1, 'b'));
    rig.run(3000);
    expect(rig.stateOf('a')).toBe('suspect');
  });

  it('ends at once by a late confirmation', () => {
    const rig = CoreRig.with(others);
    rig.answering = true;
    rig.hear(suspect('a', 1, 'b'));
    rig.run(3000);
    rig.hear(suspect('a', 1, 'c'));
    rig.run(0);
    expect(rig.stateOf('a')).toBe('dead');
  });

  it('starts at its minimum in a pool too small to confirm it', () => {
    const rig = CoreRig.with(['a', 'b']);
    rig.answering = true;
    rig.hear(suspect('a'));
    rig.run(1000);
    expect(rig.stateOf('a')).toBe('dead');
  });

  it('is passed on, once for each accuser', () => {
    const rig = CoreRig.with(others);
    rig.answering = true;
    rig.hear(suspect('a', 1, 'b'));
    expect(rig.news).toEqual([suspect('a', 1, 'b')]);
    rig.drain();
    rig.hear(suspect('a', 1, 'b'));
    expect(rig.news).toEqual([]);
    rig.hear(suspect('a', 1, 'c'));
    expect(rig.news).toEqual([suspect('a', 1, 'c')]);
  });

  it('is refuted by a higher incarnation only', () => {
    const rig = CoreRig.with(others);
    rig.answering = true;
    rig.hear(suspect('a'), alive('a', 1));
    expect(rig.stateOf('a')).toBe('suspect');
    rig.hear(alive('a', 2));
    expect(rig.stateOf('a')).toBe('alive');
    rig.run(10);
    expect(rig.events).toEqual(['Suspect a', 'Updated a']);
  });

  it('of a newer incarnation than known starts the time anew', () => {
    const rig = CoreRig.with(others);
    rig.answering = true;
    rig.hear(suspect('a', 1));
    rig.run(4000);
    rig.hear(suspect('a', 4));
    rig.run(4000);
    expect(rig.stateOf('a')).toBe('suspect');
    expect(rig.incarnationOf('a')).toBe(4);
    expect(rig.events).toEqual(['Suspect a']);
  });

  it('of a stranger, of an older incarnation or of the dead is ignored', () => {
    const rig = CoreRig.with(['b']);
    rig.answering = true;
    rig.hear(alive('a', 5), suspect('stranger'), dead('stranger'), suspect('a', 4), dead('a', 4));
    expect(rig.stateOf('a')).toBe('alive');
    expect(rig.stateOf('stranger')).toBeUndefined();
    rig.hear(dead('a', 5), suspect('a', 6));
    expect(rig.stateOf('a')).toBe('dead');
  });
});

describe('news of a member', () => {
  it('that is new is an event, and is passed on', () => {
    const rig = CoreRig.with([]);
    rig.hear(alive('n'));
    expect(rig.events).toEqual(['Joined n']);
    expect(rig.news).toEqual([alive('n')]);
  });

  it('that is the same again is no event; with other tags it is', () => {
    const rig = CoreRig.with(['a']);
    rig.hear(alive('a', 1), alive('a', 2));
    expect(rig.events).toEqual([]);
    expect(rig.incarnationOf('a')).toBe(2);
    rig.hear(alive('a', 3, { meta: Uint8Array.of(1) }));
    expect(rig.events).toEqual(['Updated a']);
  });

  it('of its death is one event, and a replay of its life does not revive it', () => {
    const rig = CoreRig.with(['a']);
    rig.hear(dead('a'), dead('a'), alive('a', 1));
    expect(rig.events).toEqual(['Dead a']);
    rig.hear(alive('a', 2));
    expect(rig.events).toEqual(['Dead a', 'Joined a']);
  });

  it('of its leaving, in its own name, is not a death', () => {
    const rig = CoreRig.with(['a']);
    rig.hear(dead('a', 1, 'a'));
    expect(rig.events).toEqual(['Left a']);
    rig.hear(alive('a', 2));
    expect(rig.events).toEqual(['Left a', 'Joined a']);
  });

  it('from another address is a conflict while it lives or has just died, and is told once', () => {
    const rig = CoreRig.with(['a']);
    const elsewhere = alive('a', 9, { address: addressOf('z') });
    rig.hear(elsewhere, elsewhere);
    expect(rig.events).toEqual(['Conflict a']);
    rig.hear(dead('a', 1));
    rig.hear(alive('a', 9, { address: addressOf('y') }));
    expect(rig.stateOf('a')).toBe('dead');
    expect(rig.events).toEqual(['Conflict a', 'Dead a', 'Conflict a']);
  });

  it('from another address is believed when it has left and is silent at the old, or has been gone for long', () => {
    const rig = CoreRig.with(['a', 'b', 'c']);
    rig.hear(dead('a', 1, 'a'), dead('b'), dead('c', 1, 'c'));
    rig.hear(alive('a', 1, { address: addressOf('z') }), alive('a', 3, { address: addressOf('z') }));
    const where = (name: string): string =>
      rig.core
        .members(0)
        .filter((member) => member.name === name)
        .map(({ state, incarnation, address }) => `${state} ${incarnation} ${address.host}`)
        .join();
    expect(where('a')).toBe(`left 1 ${addressOf('a').host}`);
    // Passed on at once; believed after three pings.
    expect(rig.news).toContainEqual(alive('a', 1, { address: addressOf('z') }));
    rig.run(1400);
    expect(where('a')).toBe(`left 1 ${addressOf('a').host}`);
    rig.run(100);
    expect(rig.sent('ping').filter(({ to }) => to === addressOf('a').host)).toHaveLength(3);
    // Of what was said meanwhile, the newest.
    expect(where('a')).toBe(`alive 3 ${addressOf('z').host}`);
    rig.answering = true;
    rig.run(30_000);
    rig.hear(alive('b', 1, { address: addressOf('y') }), alive('c', 1, { address: addressOf('x') }));
    expect([where('b'), where('c')]).toEqual([
      `alive 1 ${addressOf('y').host}`,
      `alive 1 ${addressOf('x').host}`,
    ]);
  });

  it('from another address is a conflict when it has left, but answers at the old one', () => {
    const rig = CoreRig.with(['a', 'b']);
    rig.answering = true;
    rig.hear(dead('a', 1, 'a'));
    const elsewhere = alive('a', 9, { address: addressOf('z') });
    rig.hear(elsewhere);
    rig.drain();
    rig.take();
    // Asked again, but neither told nor passed on again.
    rig.hear(elsewhere, elsewhere);
    expect(rig.sent('ping').filter(({ to }) => to === addressOf('a').host)).toHaveLength(1);
    expect(rig.stateOf('a')).toBe('left');
    expect([rig.events, rig.news]).toEqual([[], []]);
    // It was not gone at all: what it says itself counts.
    rig.hear(alive('a', 2));
    expect(rig.stateOf('a')).toBe('alive');
  });

  it('from another address changes nothing when what was known of it has changed while it was asked about', () => {
    const rig = CoreRig.with(['a', 'b']);
    rig.hear(dead('a', 1, 'a'), alive('a', 9, { address: addressOf('z') }), alive('a', 2));
    rig.run(1000);
    rig.hear(dead('a', 2, 'a'), alive('a', 3, { address: addressOf('y') }));
    rig.run(500);
    expect(rig.stateOf('a')).toBe('left');
    rig.run(1000);
    expect(rig.core.members(0).find(({ name }) => name === 'a')).toMatchObject({
      state: 'alive',
      incarnation: 3,
    });
  });

  it('with versions and tags of its own is passed on as it came', () => {
    const rig = CoreRig.with(['b']);
    const odd = alive('a', 1, { meta: Uint8Array.of(1, 2, 3), vsn: Uint8Array.of(1, 5, 3, 2, 5, 4) });
    rig.hear(odd);
    expect(rig.news).toEqual([odd]);
    answerExchange(rig, []);
    const { members } = rig.said('answerExchange')[0] ?? { members: [] };
    expect(members.find(({ name }) => name === 'a')).toMatchObject({ meta: odd.meta, vsn: odd.vsn });
  });

  it('with an incarnation far above the known one is refused, and counted', () => {
    const rig = CoreRig.with(['a'], { incarnationJumpMax: 1000 });
    rig.hear(alive('a', 1002), alive('stranger', 0xffff_ffff), suspect('me', 0xffff_ffff), alive('a', 1001));
    expect(rig.rejections).toEqual(['incarnation', 'incarnation', 'incarnation']);
    expect(rig.incarnationOf('a')).toBe(1001);
    expect(rig.incarnationOf('me')).toBe(1);
  });

  it('is refused when the table is full, and counted', () => {
    const rig = CoreRig.with(['a'], { membersMax: 3 });
    rig.hear(alive('b'), alive('c'));
    expect(rig.rejections).toEqual(['members']);
    expect(rig.stateOf('c')).toBeUndefined();
  });
});

describe('what is said of ourselves', () => {
  it('an accusation is refuted above its incarnation, and says that we may be slow', () => {
    const rig = CoreRig.with(others);
    rig.hear(suspect('me', 4));
    expect(rig.incarnationOf('me')).toBe(5);
    expect(rig.core.broadcasts()).toMatchObject([{ type: 'alive', node: 'me', incarnation: 5 }]);
    expect(rig.core.health).toBe(1);
    rig.hear(dead('me', 5));
    expect(rig.incarnationOf('me')).toBe(6);
  });

  it('an accusation is followed by an exchange with somebody, once in a while: what was said meanwhile has missed us', () => {
    const rig = CoreRig.with(others, { pushPullPeriodMs: 3_600_000 });
    rig.answering = true;
    const exchanges = (): number => rig.take().filter(({ type }) => type === 'startExchange').length;
    rig.take();
    rig.hear(suspect('me', 4));
    rig.hear(suspect('me', 5));
    expect(exchanges()).toBe(1);
    rig.run(4000);
    rig.hear(suspect('me', 6));
    expect(exchanges()).toBe(0);
    rig.run(2000);
    rig.hear(suspect('me', 7));
    expect(exchanges()).toBe(1);
    // Somebody quotes us wrongly: we were never out of reach.
    rig.run(6000);
    rig.take();
    rig.hear(alive('me', 9));
    expect(exchanges()).toBe(0);
  });

  it('an accusation is followed by no exchange where there is no push/pull', () => {
    const rig = CoreRig.with(others, { pushPullPeriodMs: 0 });
    rig.take();
    rig.hear(suspect('me', 4));
    expect(rig.said('startExchange')).toEqual([]);
  });

  it('an old accusation changes nothing', () => {
    const rig = CoreRig.with(others);
    rig.answering = true;
    rig.hear(suspect('me', 4));
    rig.run(2000);
    rig.hear(suspect('me', 4), dead('me', 3));
    expect(rig.incarnationOf('me')).toBe(5);
    expect(rig.core.broadcasts()).toEqual([]);
  });

  it('our record with other tags or a later incarnation is put right; the right one is let be', () => {
    const rig = CoreRig.with(others);
    const mine = (incarnation: number, meta = noBytes): Message =>
      alive('me', incarnation, { address: { host: '10.0.0.254', port: 7946 }, meta });
    rig.hear(mine(1));
    expect(rig.incarnationOf('me')).toBe(1);
    rig.hear(mine(1, Uint8Array.of(7)));
    expect(rig.incarnationOf('me')).toBe(2);
    rig.hear(mine(9));
    expect(rig.incarnationOf('me')).toBe(10);
  });

  it('our name at another address is a conflict', () => {
    const rig = CoreRig.with(others);
    rig.hear(alive('me', 3));
    expect(rig.events).toEqual(['Conflict me']);
    expect(rig.incarnationOf('me')).toBe(1);
  });

  it('a refutation above the reserved incarnations waits until more are durable', () => {
    const rig = new CoreRig();
    rig.start(1, 65);
    rig.hear(alive('a'), suspect('me', 100));
    expect(rig.incarnationOf('me')).toBe(1);
    expect(rig.said('storeIncarnation')).toEqual([{ type: 'storeIncarnation', reserve: 165 }]);
    rig.input({ type: 'INCARNATION_STORED', reserved: 165 });
    expect(rig.incarnationOf('me')).toBe(101);
    expect(rig.core.broadcasts()).toContainEqual(expect.objectContaining({ node: 'me', incarnation: 101 }));
  });

  it('more incarnations are reserved before they run out', () => {
    const rig = new CoreRig();
    rig.start(1, 65);
    expect(rig.said('storeIncarnation')).toEqual([]);
    rig.hear(suspect('me', 33));
    expect(rig.incarnationOf('me')).toBe(34);
    expect(rig.said('storeIncarnation')).toEqual([{ type: 'storeIncarnation', reserve: 98 }]);
    rig.hear(suspect('me', 34));
    expect(rig.said('storeIncarnation')).toHaveLength(1);
  });

  it('new tags are announced with a higher incarnation; the same tags are not', () => {
    const rig = CoreRig.with(others);
    rig.input({ type: 'TAGS_SET', meta: Uint8Array.of(1) });
    rig.input({ type: 'TAGS_SET', meta: Uint8Array.of(1) });
    expect(rig.events).toEqual(['Updated me']);
    expect(rig.core.broadcasts()).toMatchObject([{ node: 'me', incarnation: 2, meta: Uint8Array.of(1) }]);
  });
});

describe('leaving', () => {
  it('is a death in our own name, told until it has been sent often enough', () => {
    const rig = CoreRig.with(others);
    rig.input({ type: 'LEAVE' });
    expect(rig.sent('dead')[0]?.message).toEqual(dead('me', 1, 'me'));
    expect(rig.said('leaveFinished')).toEqual([]);
    rig.run(1000);
    expect(rig.sent('dead')).toHaveLength(4);
    expect(rig.said('leaveFinished')).toHaveLength(1);
    expect(rig.core.agentState).toBe('left');
  });

  it('is not refuted by ourselves, and late news of our life is not passed on', () => {
    const rig = CoreRig.with(others);
    rig.input({ type: 'LEAVE' });
    rig.hear(
      dead('me', 1, 'me'),
      suspect('me', 1),
      alive('me', 3, { address: { host: '10.0.0.254', port: 7946 } }),
    );
    expect(rig.incarnationOf('me')).toBe(1);
    rig.run(10_000);
    expect(rig.sent('alive')).toEqual([]);
  });

  it('ends probing, but not answering, until it is done', () => {
    const rig = CoreRig.with(others);
    rig.input({ type: 'LEAVE' });
    rig.hear({ type: 'ping', seqNo: 9, node: 'me', source: null });
    expect(rig.sent('ack')).toHaveLength(1);
    rig.run(20_000);
    expect(rig.sent('ping')).toEqual([]);
    rig.take();
    rig.hear({ type: 'ping', seqNo: 9, node: 'me', source: null });
    expect(rig.said('send')).toEqual([]);
  });

  it('alone is done at once', () => {
    const rig = CoreRig.with([]);
    rig.input({ type: 'LEAVE' });
    expect(rig.said('leaveFinished')).toHaveLength(1);
  });
});

describe('gossip', () => {
  it('goes to a few others in each round', () => {
    const rig = CoreRig.with([...others, 'e', 'f']);
    rig.hear(alive('n'));
    rig.take();
    rig.run(200);
    expect(rig.sent('alive').length).toBe(3);
    expect(new Set(rig.sent('alive').map(({ to }) => to)).size).toBe(3);
  });

  it('rests while there is nothing to say, and goes on at the times that its rounds would have had', () => {
    const rig = CoreRig.with(['a']);
    rig.run(1000);
    expect(rig.timers.has('gossip')).toBe(false);
    rig.hear(alive('b'));
    const first = rig.timers.get('gossip') ?? NaN;
    expect(first).toBeGreaterThan(rig.nowMs);
    expect(first).toBeLessThanOrEqual(rig.nowMs + 200);
    rig.drain();
    rig.run(1037);
    rig.hear(alive('c'));
    const second = rig.timers.get('gossip') ?? NaN;
    expect(second).toBeGreaterThan(rig.nowMs);
    expect((second - first) / 200).toBeCloseTo(Math.round((second - first) / 200), 9);
  });

  it('reaches the recently dead, not the long dead nor those that left', () => {
    const rig = CoreRig.with(['a', 'l']);
    rig.hear(dead('a'), dead('l', 1, 'l'));
    rig.drain();
    rig.take();
    rig.input({ type: 'TAGS_SET', meta: Uint8Array.of(1) });
    rig.run(1000);
    expect(new Set(rig.sent('alive').map(({ to }) => to))).toEqual(new Set([addressOf('a').host]));
    rig.run(30_000);
    rig.take();
    rig.input({ type: 'TAGS_SET', meta: Uint8Array.of(2) });
    rig.run(1000);
    expect(rig.sent('alive')).toEqual([]);
  });

  it('tells one that is dead or has left here, and yet pings us, what it is taken for, so that it refutes', () => {
    const rig = CoreRig.with(['a', 'd', 'l']);
    rig.hear(dead('d', 3), dead('l', 1, 'l'));
    rig.drain();
    const told = (node: string | null, host = 'elsewhere'): unknown[] => {
      rig.take();
      const source = node === null ? null : { node, address: addressOf(host) };
      rig.hear({ type: 'ping', seqNo: 9, node: 'me', source });
      return rig.said('send').flatMap(({ messages }) => messages.slice(1));
    };
    expect(told('d')).toEqual([dead('d', 3, 'me')]);
    expect(told('l')).toEqual([dead('l', 1, 'l')]);
    expect([told('a'), told('stranger'), told('me'), told(null)]).toEqual([[], [], [], []]);
  });

  it('rides on pings and answers', () => {
    const rig = CoreRig.with(['a'], { gossipPeriodMs: 2500 });
    rig.hear(alive('n'));
    rig.take();
    rig.hear({ type: 'ping', seqNo: 9, node: 'me', source: null });
    expect(rig.said('send')).toMatchObject([{ messages: [{ type: 'ack' }, { type: 'alive', node: 'n' }] }]);
  });

  it('keeps every packet within the limit', () => {
    const rig = CoreRig.with(others);
    const big = (name: string): Message => alive(name, 1, { meta: new Uint8Array(300).fill(1) });
    rig.hear(...Array.from({ length: 30 }, (_, i) => big(`n${i}`)));
    rig.take();
    rig.run(2000);
    const sizes = rig.said('send').map(({ messages }) =>
      // 5 bytes of checksum, 2 of the compound and 2 for each part.
      messages.reduce((sum, message) => sum + 2 + encodeMessage(message).length, 7),
    );
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1400);
    expect(Math.max(...sizes)).toBeGreaterThan(1100);
  });

  it('adds a checksum for members whose protocol has it', () => {
    const rig = CoreRig.with(['a']);
    rig.hear(alive('old', 1, { vsn: Uint8Array.of(1, 4, 2, 2, 5, 5) }));
    rig.take();
    rig.run(400);
    const byHost = new Map(
      rig
        .said('send')
        .filter(({ messages }) => messages[0]?.type === 'alive')
        .map((send) => [send.to.host, send.checksum]),
    );
    expect(byHost.get(addressOf('a').host)).toBe(true);
    expect(byHost.get(addressOf('old').host)).toBe(false);
  });

  it('drops the most sent claim when the queue is full, and counts it', () => {
    const rig = CoreRig.with([], { broadcastsMax: 16 });
    rig.hear(...Array.from({ length: 18 }, (_, i) => alive(`n${i}`)));
    expect(rig.core.queued).toBe(16);
    // Ours and eighteen others', of which sixteen found room.
    expect(rig.said('countDroppedBroadcast')).toHaveLength(3);
  });
});

describe('after one has come back from the dead', () => {
  /** Packets that tell somebody of its own death, by whom they tell, while packets come in for so long. */
  function recalled(rig: CoreRig, ms: number): string[] {
    const told: string[] = [];
    rig.answering = true;
    for (let passed = 0; passed < ms; passed += 100) {
      rig.take();
      rig.run(100);
      rig.hear({ type: 'user', payload: noBytes });
      for (const { to, messages } of rig.said('send')) {
        const [first] = messages;
        if (first?.type === 'dead' && addressOf(first.node).host === to.host) told.push(first.node);
      }
    }
    return told;
  }

  it('the others that are dead are told so for a while, one a period, so that those refute that live', () => {
    const rig = CoreRig.with(others, { gossipToTheDeadMs: 0 });
    rig.hear(dead('a'), dead('b', 3), dead('c', 1, 'c'));
    expect(recalled(rig, 10_000)).toEqual([]);
    rig.hear(alive('a', 2));
    const told = recalled(rig, 60_000);
    expect(new Set(told)).toEqual(new Set(['b']));
    expect(told.length).toBeGreaterThanOrEqual(27);
    expect(told.length).toBeLessThanOrEqual(31);
  });

  it('nobody is told when all are back', () => {
    const rig = CoreRig.with(others, { gossipToTheDeadMs: 0 });
    rig.hear(dead('a'), alive('a', 2));
    expect(recalled(rig, 10_000)).toEqual([]);
  });
});

describe('push/pull', () => {
  it('merges the dead as suspects and those that left as left; strangers that are gone are ignored', () => {
    const rig = CoreRig.with(others);
    answerExchange(rig, [
      peer('a', 'dead'),
      peer('b', 'left'),
      peer('c', 'suspect'),
      peer('n'),
      peer('x', 'dead'),
      peer('y', 'left'),
    ]);
    expect(['a', 'b', 'c', 'd', 'n', 'x', 'y'].map((name) => rig.stateOf(name))).toEqual([
      'suspect',
      'left',
      'suspect',
      'alive',
      'alive',
      undefined,
      undefined,
    ]);
  });

  it('counts the dead of a list once, however many have read it, so that they have the whole time to refute', () => {
    const told = ['b', 'c', 'd'].flatMap((name) => {
      const reader = CoreRig.with(others, { name });
      answerExchange(reader, [peer('a', 'dead')]);
      return reader.news;
    });
    expect(told).toMatchObject(Array.from({ length: 3 }, () => ({ type: 'suspect', node: 'a' })));
    const rig = CoreRig.with(others);
    rig.answering = true;
    rig.hear(...told);
    rig.run(4900);
    expect(rig.stateOf('a')).toBe('suspect');
    rig.run(200);
    expect(rig.stateOf('a')).toBe('dead');
  });

  it('answers with everybody on record, the refutation of what the peer wrongly had of us among them', () => {
    const rig = CoreRig.with(['a']);
    answerExchange(rig, [peer('a'), peer('me', 'dead', 1)]);
    const [answer] = rig.said('answerExchange');
    expect(answer?.members.map(({ name, incarnation, state }) => [name, incarnation, state])).toEqual([
      ['me', 2, 'alive'],
      ['a', 1, 'alive'],
    ]);
  });

  it('is begun with a member that is alive only', () => {
    const rig = CoreRig.with(others, {
      pushPullPeriodMs: 1000,
      probePeriodMs: 60_000,
      suspectTimeoutMs: 3_600_000,
    });
    rig.hear(suspect('a'), dead('b'), dead('c', 1, 'c'));
    rig.take();
    rig.run(20_000);
    const partners = new Set(rig.said('startExchange').map(({ to }) => to.host));
    expect(partners).toEqual(new Set([addressOf('d').host]));
    expect(rig.said('startExchange').length).toBeGreaterThanOrEqual(19);
  });

  it('is refused as a whole when the versions do not fit', () => {
    const rig = CoreRig.with(others);
    answerExchange(rig, [{ ...peer('n'), vsn: Uint8Array.of(3, 5, 3, 2, 5, 5) }]);
    expect(rig.said('refuseStream')).toEqual([{ type: 'refuseStream', stream: 1, reason: 'versions' }]);
    expect(rig.stateOf('n')).toBeUndefined();
  });

  it("hands the other layer's state over", () => {
    const rig = CoreRig.with([]);
    const userState = Uint8Array.of(2, 0x80);
    rig.input({
      type: 'EXCHANGE_ASKED',
      stream: 1,
      from: addressOf('a'),
      content: { join: true, members: [], userState },
    });
    expect(rig.said('deliverUserState')).toEqual([
      { type: 'deliverUserState', state: userState, join: true, isOurs: false },
    ]);
    rig.hear({ type: 'user', payload: userState });
    expect(rig.said('deliverUserMessage')).toMatchObject([{ payload: userState }]);
  });

  it('tries a dead member again and again, so that a healed partition rejoins', () => {
    const rig = CoreRig.with(['a'], { reconnectPeriodMs: 5000 });
    rig.hear(dead('a'));
    rig.take();
    rig.run(60_000);
    expect(rig.said('startExchange').length).toBeGreaterThanOrEqual(11);
    expect(rig.said('startExchange').every(({ to, join }) => to.host === addressOf('a').host && !join)).toBe(
      true,
    );
  });
});

describe("the state of the layer above, at a peer's", () => {
  const content = { join: true, members: [peer('a')], userState: Uint8Array.of(1) };
  /** Whether each was said to come because we have come to the peer's pool. */
  const ours = (rig: CoreRig): boolean[] => rig.said('deliverUserState').map(({ isOurs }) => isOurs);
  const ask = (rig: CoreRig): void =>
    rig.input({ type: 'EXCHANGE_ASKED', stream: 1, from: addressOf('a'), content });
  const answerLast = (rig: CoreRig): void =>
    rig.input({
      type: 'EXCHANGE_ANSWERED',
      exchange: rig.said('startExchange').at(-1)?.exchange as number,
      content,
    });

  it('is that of a pool that we join when we have asked to join, not when somebody joins us meanwhile', () => {
    const rig = CoreRig.with(['a']);
    rig.input({ type: 'JOIN', join: 1, seeds: [addressOf('a')] });
    ask(rig);
    answerLast(rig);
    expect(ours(rig)).toEqual([false, true]);
  });

  it('is that of a pool that we come back to, whoever asks, until we are back', () => {
    const rig = CoreRig.with([], { verifyJoiners: false, pushPullPeriodMs: 1000 });
    const peers = [{ name: 'a', address: addressOf('a'), alive: true }];
    rig.input({ type: 'REMEMBERED', peers });
    ask(rig);
    answerLast(rig);
    rig.take();
    ask(rig);
    rig.run(1000);
    answerLast(rig);
    expect(ours(rig)).toEqual([false, false]);
    const back = CoreRig.with([], { verifyJoiners: false });
    back.input({ type: 'REMEMBERED', peers });
    ask(back);
    answerLast(back);
    expect(ours(back)).toEqual([true, true]);
  });
});

describe('a newcomer that has yet to answer', () => {
  const ask = (rig: CoreRig, stream: number, name: string): void =>
    rig.input({
      type: 'EXCHANGE_ASKED',
      stream,
      from: addressOf(name),
      content: { join: true, members: [peer(name)], userState: noBytes },
    });

  it('is pinged without any news, admitted with its answer, and refused when it keeps silent', () => {
    const rig = CoreRig.with(['a']);
    rig.hear(alive('b'));
    rig.take();
    ask(rig, 1, 'x');
    ask(rig, 2, 'y');
    const sent = rig.said('send');
    expect(sent.map(({ messages }) => messages.map(({ type }) => type))).toEqual([['ping'], ['ping']]);
    expect([rig.stateOf('x'), rig.stateOf('y')]).toEqual([undefined, undefined]);
    rig.hear({ type: 'ack', seqNo: rig.sent('ping')[0]?.message.seqNo as number, payload: noBytes });
    expect(rig.said('answerExchange')).toMatchObject([{ stream: 1 }]);
    expect(rig.stateOf('x')).toBe('alive');
    rig.run(1600);
    expect(rig.said('refuseStream')).toEqual([{ type: 'refuseStream', stream: 2, reason: 'unreachable' }]);
    expect(rig.sent('ping').filter(({ message }) => message.node === 'y')).toHaveLength(3);
    expect(rig.stateOf('y')).toBeUndefined();
  });

  it('takes one of as many places as there may be streams', () => {
    const rig = CoreRig.with([], { inboundStreamsMax: 2 });
    for (const [stream, name] of ['x', 'y', 'z'].entries()) ask(rig, stream, name);
    expect(rig.said('refuseStream')).toEqual([{ type: 'refuseStream', stream: 2, reason: 'streams' }]);
  });
});

describe('joining', () => {
  const seeds = [addressOf('s1'), addressOf('s2')];
  const answer = (exchange: number, members: readonly PeerRecord[] = []) =>
    ({ type: 'EXCHANGE_ANSWERED', exchange, content: { join: true, members, userState: noBytes } }) as const;

  it('contacts every seed and counts those that answer', () => {
    const rig = CoreRig.with([]);
    rig.input({ type: 'JOIN', join: 1, seeds });
    const [one, two] = rig.said('startExchange').map(({ exchange }) => exchange);
    rig.input(answer(one as number, [peer('s1')]));
    expect(rig.said('joinFinished')).toEqual([]);
    rig.input({ type: 'EXCHANGE_FAILED', exchange: two as number, code: 'NET_REFUSED', reason: 'refused' });
    expect(rig.said('joinFinished')).toEqual([
      {
        type: 'joinFinished',
        join: 1,
        reached: 1,
        failures: [{ seed: seeds[1], code: 'NET_REFUSED', reason: 'refused' }],
        aborted: false,
      },
    ]);
    expect(rig.stateOf('s1')).toBe('alive');
  });

  it('does not count a seed whose pool speaks other versions', () => {
    const rig = CoreRig.with([]);
    rig.input({ type: 'JOIN', join: 1, seeds: seeds.slice(0, 1) });
    rig.input(answer(1, [{ ...peer('s1'), vsn: Uint8Array.of(9, 9, 9, 2, 5, 5) }]));
    expect(rig.said('joinFinished')).toMatchObject([
      { reached: 0, failures: [{ code: 'SWIM_VERSION_MISMATCH' }] },
    ]);
    expect(rig.stateOf('s1')).toBeUndefined();
  });

  it('can be given up, and what comes later is dropped', () => {
    const rig = CoreRig.with([]);
    rig.input({ type: 'JOIN', join: 1, seeds });
    rig.input({ type: 'JOIN_ABORTED', join: 2 });
    expect(rig.said('joinFinished')).toEqual([]);
    rig.input({ type: 'JOIN_ABORTED', join: 1 });
    expect(rig.said('joinFinished')).toMatchObject([{ aborted: true }]);
    expect(rig.said('cancelExchange')).toHaveLength(2);
    rig.input(answer(1, [peer('s1')]));
    expect(rig.stateOf('s1')).toBeUndefined();
  });

  it('is refused while another is under way', () => {
    const rig = CoreRig.with([]);
    rig.input({ type: 'JOIN', join: 1, seeds });
    rig.input({ type: 'JOIN', join: 2, seeds });
    expect(rig.said('joinRefused')).toEqual([{ type: 'joinRefused', join: 2, hasLeft: false }]);
  });
});

describe('the gone', () => {
  it('are forgotten after a while, with an event, and may then come back as newcomers', () => {
    const rig = CoreRig.with(['a', 'b', 'c'], {
      reapAfterMs: 60_000,
      gossipToTheDeadMs: 1000,
      probePeriodMs: 100,
      pingTimeoutMs: 50,
    });
    rig.hear(dead('a'), dead('b', 1, 'b'));
    rig.answering = true;
    rig.run(59_000);
    expect(rig.core.members(0)).toHaveLength(4);
    rig.run(2000);
    expect(rig.core.members(0).map(({ name }) => name)).toEqual(['me', 'c']);
    expect(rig.events.slice(-2).sort()).toEqual(['Reaped a', 'Reaped b']);
    rig.hear(alive('a', 1));
    expect(rig.stateOf('a')).toBe('alive');
  });
});

describe('a member that has not started, or has stopped', () => {
  it('sends nothing and believes nothing', () => {
    const rig = new CoreRig();
    rig.hear(alive('a'), { type: 'ping', seqNo: 1, node: 'me', source: null });
    answerExchange(rig, [peer('a')]);
    expect(rig.core.members(0)).toHaveLength(1);
    expect(rig.take().map(({ type }) => type)).toEqual(['refuseStream']);
    rig.start();
    rig.hear(alive('a'));
    rig.input({ type: 'STOP' });
    rig.take();
    rig.run(60_000);
    expect(rig.take()).toEqual([]);
  });
});

describe('a checkpoint', () => {
  it('restored in a fresh core goes on exactly alike', () => {
    const rig = CoreRig.with(others, { pushPullPeriodMs: 3000, reconnectPeriodMs: 4000 });
    rig.hear(suspect('a'), dead('b'), alive('n', 3, { meta: Uint8Array.of(1) }), suspect('me', 2));
    rig.hear({ type: 'indirectPing', seqNo: 5, target: addressOf('t'), node: 't', nack: true, source: null });
    rig.input({ type: 'JOIN', join: 1, seeds: [addressOf('s')] });
    rig.run(1700);
    const copy = new CoreRig({ pushPullPeriodMs: 3000, reconnectPeriodMs: 4000 }, 99);
    copy.core.restore(rig.core.checkpoint());
    copy.nowMs = rig.nowMs;
    copy.answering = false;
    for (const [timer, dueMs] of rig.timers) (copy.timers as Map<string, number>).set(timer, dueMs);
    rig.take();
    for (const it of [rig, copy]) {
      it.hear(suspect('c', 1, 'x'), { ...alive('d', 2), vsn });
      it.run(15_000);
    }
    const said = rig.take();
    expect(said.length).toBeGreaterThan(50);
    expect(copy.take()).toEqual(said);
  });
});
