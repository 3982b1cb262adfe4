import { strict as assert } from 'node:assert';
import { describe, expect, it } from 'vitest';
import { Prng } from '@cluster/core';
import { Assembly } from '../src/core/assembly.ts';
import { TokenBuckets } from '../src/core/rate-limit.ts';
import { CallTable } from '../src/core/call-table.ts';
import { type Deadline, DeadlineWheel } from '../src/core/deadlines.ts';
import { Fifo } from '../src/core/fifo.ts';
import type { Outgoing, Waiter } from '../src/core/outgoing.ts';
import { SendCredit } from '../src/core/credit.ts';
import { SendQueue } from '../src/core/send-queue.ts';
import { after, ahead } from '../src/core/sequence.ts';
import { Unacked } from '../src/core/unacked.ts';
import { Bodies } from '../src/wire/bodies.ts';
import { flagBits, frameTypes } from '../src/wire/frame.ts';

const item = (priority: number, size = 10, waiter: Waiter | null = null): Outgoing => ({
  type: frameTypes.message,
  flags: priority,
  typeId: 64,
  stream: 0,
  bytes: new Uint8Array(size),
  from: 0,
  length: size,
  block: null,
  framed: false,
  waiter,
  attempts: 0,
  cancelled: false,
  cut: 0,
  total: 0,
});

const open = { streamWindowBytes: 1 << 29, sessionWindowBytes: 1 << 29 };
const sendQueue = (): SendQueue => new SendQueue(new SendCredit(open));

describe('sequence numbers', () => {
  it('compare by distance, across the wrap', () => {
    expect(ahead(5, 3)).toBe(2);
    expect(ahead(1, 0xffff_ffff)).toBe(2);
    expect(ahead(0xffff_ffff, 1)).toBe(-2);
    expect(after(0xffff_ffff)).toBe(0);
  });
});

describe('the unacknowledged', () => {
  it.each([1, 0xffff_ffe0])(
    'are acknowledged in order, resent in order, and keep their numbers (from %i)',
    (first) => {
      const prng = Prng.fromSeed(first);
      const unacked = new Unacked(1024, undefined, first);
      // The model: a plain list.
      const model: { sequence: number; item: Outgoing }[] = [];
      let pointer = 0;
      for (let step = 0; step < 5000; step++) {
        const dice = prng.float();
        if (dice < 0.5 && !unacked.full && unacked.resending === 0) {
          const one = item(2, prng.below(50));
          model.push({ sequence: unacked.push(one), item: one });
          pointer = model.length;
        } else if (dice < 0.8 && model.length > 0) {
          const upTo = prng.below(model.length);
          assert.equal(unacked.acknowledge(model[upTo]?.sequence ?? 0), true);
          model.splice(0, upTo + 1);
          pointer = Math.max(0, pointer - upTo - 1);
        } else if (dice < 0.85) {
          unacked.rewind();
          pointer = 0;
        } else if (unacked.resending > 0) {
          assert.equal(unacked.resendSequence, model[pointer]?.sequence);
          assert.equal(unacked.nextResend(1000), model[pointer]?.item);
          pointer++;
        }
        expect(unacked.size).toBe(model.length);
        expect(unacked.resending).toBe(model.length - pointer);
        expect(unacked.bytes).toBe(model.reduce((sum, entry) => sum + 16 + entry.item.length, 0));
      }
    },
  );

  it('know an acknowledgement of what was never sent from an old one', () => {
    const unacked = new Unacked(64);
    unacked.push(item(2));
    unacked.push(item(2));
    expect(unacked.acknowledge(3)).toBe(false);
    expect(unacked.acknowledge(0x8000_0000)).toBe(true);
    expect(unacked.size).toBe(2);
    expect(unacked.acknowledge(2)).toBe(true);
    expect(unacked.acknowledge(1)).toBe(true);
    expect(unacked.size).toBe(0);
  });

  it('are given up after their last try, leaving a placeholder under their number', () => {
    const unacked = new Unacked(64);
    const fate: boolean[] = [];
    const one = item(2, 100, { acknowledged: () => undefined, abandoned: (sent) => void fate.push(sent) });
    unacked.push(one);
    for (let attempt = 2; attempt <= 4; attempt++) {
      unacked.rewind();
      expect(unacked.nextResend(4)).toMatchObject({ type: frameTypes.message, attempts: attempt });
    }
    expect(fate).toEqual([]);
    for (let again = 0; again < 3; again++) {
      unacked.rewind();
      // It says what the message was charged.
      expect(unacked.nextResend(4)).toMatchObject({ type: frameTypes.void, length: 0, stream: 356 });
    }
    expect(fate).toEqual([true]);
    expect(unacked.bytes).toBe(16);
    expect(unacked.acknowledge(1)).toBe(true);
    expect(unacked.bytes).toBe(0);
  });

  it('are bounded', () => {
    const unacked = new Unacked(64);
    for (let i = 0; i < 64; i++) {
      expect(unacked.full).toBe(false);
      unacked.push(item(2));
    }
    expect(unacked.full).toBe(true);
  });
});

describe('the send queue', () => {
  it('gives Critical first and lets the others share 8 : 4 : 1 by bytes', () => {
    const queue = sendQueue();
    for (let i = 0; i < 2000; i++) for (const priority of [3, 2, 1]) queue.push(item(priority, 1008));
    for (let i = 0; i < 10; i++) queue.push(item(0));
    for (let i = 0; i < 10; i++) expect(queue.next()?.flags).toBe(0);
    const share = [0, 0, 0, 0];
    for (let i = 0; i < 1300; i++) {
      const priority = queue.next()?.flags ?? 0;
      share[priority] = (share[priority] ?? 0) + 1;
    }
    expect(share[1]).toBeGreaterThan(750);
    expect(share[1]).toBeLessThan(850);
    expect(share[3]).toBeGreaterThan(80);
    expect(share[3]).toBeLessThan(120);
  });

  it('never lets Critical starve the others: they get a fifth', () => {
    const queue = sendQueue();
    for (let i = 0; i < 5000; i++) queue.push(item(0, 1008));
    for (let i = 0; i < 5000; i++) queue.push(item(3, 1008));
    const first = Array.from({ length: 3000 }, () => queue.next()?.flags);
    const low = first.filter((flags) => flags === 3).length;
    expect(first.slice(0, 200)).toEqual(Array.from({ length: 200 }, () => 0));
    expect(low).toBeGreaterThan(450);
    expect(low).toBeLessThan(650);
  });

  it('cuts what is large, and lets others between the pieces', () => {
    const queue = sendQueue();
    const large = item(2, 300_000);
    queue.push(large);
    const chunk = queue.next() as Outgoing;
    expect(chunk).toMatchObject({ type: frameTypes.chunk, stream: 300_000 });
    queue.arrived(chunk);
    expect(queue.begunBytes).toBe(65_536);
    queue.push(item(1));
    queue.push(item(0));
    expect(queue.bytes).toBe(16 + 300_000 - 65_536 + 2 * 26);
    expect([queue.next()?.flags, queue.next()?.flags]).toEqual([0, 1]);
    const rest: number[] = [];
    for (let one = queue.next(); one !== undefined; one = queue.next()) rest.push(one.length);
    expect(rest).toEqual([65_536, 65_536, 65_536, 300_000 - 4 * 65_536]);
    expect(large).toMatchObject({ type: frameTypes.message, flags: 2 | 8, total: 300_000 });
    expect([queue.size, queue.bytes, queue.begunBytes]).toEqual([0, 0, 0]);
  });

  it('tells the peer when the rest of a message does not come, and charges it only once', () => {
    const credit = new SendCredit({ streamWindowBytes: 400_000, sessionWindowBytes: 400_000 });
    const queue = new SendQueue(credit);
    const large = item(2, 300_000);
    queue.push(large);
    queue.next();
    queue.cancel(large);
    expect([queue.size, queue.bytes]).toEqual([1, 16]);
    expect(queue.next()).toMatchObject({ type: frameTypes.void, flags: 2 | 8, stream: 300_256 });
    expect([queue.size, queue.bytes, queue.begunBytes]).toEqual([0, 0, 0]);
    // Until the peer has given it back there is no room for as much again.
    queue.push(item(2, 300_000));
    expect(queue.next()).toBeUndefined();
    expect(credit.announced(2, 300_257)).toBe(false);
    expect(credit.announced(2, 300_256)).toBe(true);
    expect(queue.next()).toMatchObject({ type: frameTypes.chunk });
    // A new session begins anew what was under way.
    queue.restart(new SendCredit(open));
    expect([queue.bytes, queue.begunBytes]).toEqual([300_016, 0]);
    expect(queue.next()).toMatchObject({ type: frameTypes.chunk, length: 65_536 });
  });

  it('compresses what asks for it when it begins to leave, and begins with it anew as it was before', () => {
    const credit = new SendCredit({ streamWindowBytes: 400_000, sessionWindowBytes: 400_000 });
    const queue = new SendQueue(credit);
    const asked: number[] = [];
    queue.shrink = (bytes) => {
      asked.push(bytes.length);
      return bytes.length < 200_000 ? null : bytes.subarray(0, bytes.length / 2);
    };
    const [plain, large] = [item(2, 300), item(2, 300_000)];
    for (const one of [plain, large]) one.flags |= flagBits.compressed;
    for (const one of [plain, large]) queue.push(one);
    expect([asked, queue.bytes]).toEqual([[], 300_332]);
    expect(queue.next()).toMatchObject({ type: frameTypes.message, flags: 2, length: 300 });
    expect(queue.next()).toMatchObject({ type: frameTypes.chunk, stream: 150_000, flags: 2 });
    // It is charged for what it was before.
    expect([asked, queue.bytes, credit.used(2)]).toEqual([
      [300, 300_000],
      // Until all of it has left: it may have to begin anew.
      16 + 300_000 - 65_536,
      300_256 + 556,
    ]);
    // The peer that comes next may not take what is compressed.
    queue.shrink = null;
    queue.restart(new SendCredit(open));
    expect(queue.bytes).toBe(300_016);
    const sizes: number[] = [];
    for (let one = queue.next(); one !== undefined; one = queue.next()) sizes.push(one.length);
    expect(sizes).toEqual([65_536, 65_536, 65_536, 65_536, 300_000 - 4 * 65_536]);
    expect(large).toMatchObject({ flags: 2 | flagBits.completes, total: 300_000 });
    expect([queue.size, queue.bytes]).toEqual([0, 0]);
  });

  it('says of a compressed message whose rest does not come what it was charged', () => {
    const queue = sendQueue();
    queue.shrink = (bytes) => bytes.subarray(0, bytes.length / 2);
    const large = item(2, 300_000);
    large.flags |= flagBits.compressed;
    queue.push(large);
    queue.next();
    queue.cancel(large);
    expect(queue.next()).toMatchObject({ type: frameTypes.void, stream: 300_256 });
    expect([queue.size, queue.bytes]).toEqual([0, 0]);
  });

  it('holds back a stream that is not consumed, and not the others', () => {
    const queue = new SendQueue(new SendCredit({ streamWindowBytes: 3000, sessionWindowBytes: 4000 }));
    for (const priority of [0, 1, 2, 3]) for (let i = 0; i < 5; i++) queue.push(item(priority, 744));
    const taken = [0, 0, 0, 0];
    for (let one = queue.next(); one !== undefined; one = queue.next())
      taken[one.flags] = (taken[one.flags] ?? 0) + 1;
    // Critical has a window of its own; the others share the session's.
    expect(taken).toEqual([3, 3, 1, 0]);
  });

  it('takes no answer of a session into the next: its streams are others then', () => {
    const queue = sendQueue();
    const begun = { ...item(2, 300_000), type: frameTypes.response };
    queue.push(begun);
    expect(queue.next()).toMatchObject({ type: frameTypes.chunk });
    for (const type of [frameTypes.response, frameTypes.error, frameTypes.cancel, frameTypes.request])
      queue.push({ ...item(2), type });
    queue.endSession();
    queue.restart(new SendCredit(open));
    expect([queue.size, queue.bytes]).toEqual([1, 26]);
    expect(queue.next()).toMatchObject({ type: frameTypes.request });
    expect(queue.next()).toBeUndefined();
  });

  it('counts what it holds, cancelled messages not', () => {
    const queue = sendQueue();
    const [first, second] = [item(2, 84), item(2, 84)];
    queue.push(first);
    queue.push(second);
    expect([queue.size, queue.bytes]).toEqual([2, 200]);
    queue.cancel(first);
    queue.cancel(first);
    expect([queue.size, queue.bytes]).toEqual([1, 100]);
    expect(queue.next()).toBe(second);
    expect([queue.size, queue.bytes]).toEqual([0, 0]);
    expect(queue.next()).toBeUndefined();
  });
});

describe('the table of calls', () => {
  it.each([1, 0xffff_ff00])(
    'finds each by its number and gives out none that is taken, also round the end (from %i)',
    (first) => {
      const prng = Prng.fromSeed(first);
      const table = new CallTable<{ readonly stream: number }>(first);
      const model = new Map<number, { readonly stream: number }>();
      for (let step = 0; step < 6000; step++) {
        // Some stay for long, most are over soon.
        if (model.size < 200 && prng.chance(0.52)) {
          const call = { stream: table.nextStream() };
          assert.equal(model.has(call.stream), false);
          assert.notEqual(call.stream, 0);
          table.add(call);
          model.set(call.stream, call);
        } else {
          const streams = [...model.keys()];
          const stream = streams[Math.floor(streams.length * prng.float() ** 0.2)] ?? 5;
          table.delete(stream);
          model.delete(stream);
          assert.equal(table.get(stream), undefined);
        }
        assert.equal(table.size, model.size);
      }
      for (const [stream, call] of model) expect(table.get(stream)).toBe(call);
      expect(table.all()).toEqual([...model.values()]);
      expect(model.size).toBeGreaterThan(50);
      expect(table.get(0)).toBeUndefined();
      const size = table.size;
      table.delete(0);
      expect(table.size).toBe(size);
    },
  );
});

describe('the assembly of a large message', () => {
  it('takes a piece where it was read to, and any other by copying it there', () => {
    const assembly = new Assembly();
    expect(assembly.place(2, 3)).toBeNull();
    expect(assembly.add(2, 8, Uint8Array.of(1, 2))).toBe(true);
    const place = assembly.place(2, 3) as Uint8Array;
    place.set([3, 4, 5]);
    expect(assembly.place(2, 7)).toBeNull();
    expect(assembly.place(3, 1)).toBeNull();
    expect(assembly.add(2, 8, place)).toBe(true);
    expect(assembly.add(2, 8, Uint8Array.of(6))).toBe(true);
    const last = assembly.place(2, 2) as Uint8Array;
    last.set([7, 8]);
    // What was not read to its place counts, and not what was written there before.
    const whole = assembly.finish(2, Uint8Array.of(9, 10)) as Uint8Array;
    expect([...whole]).toEqual([1, 2, 3, 4, 5, 6, 9, 10]);
    expect(whole.buffer).toBe(place.buffer);
  });
});

describe('token buckets', () => {
  it('of too many are forgotten, full ones first, because that changes nothing', () => {
    const buckets = new TokenBuckets({ perSecond: 1, burst: 2 }, 3);
    const taken = (name: string, nowMs: number): number =>
      [1, 2, 3].filter(() => buckets.take(name, nowMs)).length;
    expect([taken('a', 0), taken('b', 0), buckets.take('c', 500)]).toEqual([2, 2, true]);
    expect(buckets.take('a', 1000)).toBe(true);
    // c is full, and goes; b, which was asked before it, does not.
    expect(taken('d', 1500)).toBe(2);
    expect(taken('b', 1500)).toBe(1);
    // None is full: that of a was asked longest ago.
    expect(taken('e', 1600)).toBe(2);
    expect(taken('a', 1600)).toBe(2);
  });

  it('has what a piece was gathered in written to again, and never what the whole stands in', () => {
    let made = 0;
    const bodies = new Bodies((bytes) => {
      made++;
      return new Uint8Array(bytes);
    });
    const assembly = new Assembly(bodies);
    for (let i = 0; i < 10; i++) {
      const first = bodies.take(65_536).fill(1);
      expect(assembly.add(2, 140_000, first)).toBe(true);
      const second = (assembly.place(2, 65_536) as Uint8Array).fill(2);
      expect(assembly.add(2, 140_000, second)).toBe(true);
      const whole = assembly.finish(2, bodies.take(140_000 - 131_072).fill(3)) as Uint8Array;
      const other = bodies.take(140_000).fill(9);
      expect([whole[0], whole[65_536], whole[131_072], whole.at(-1)]).toEqual([1, 2, 3, 3]);
      for (const body of [whole, other]) bodies.give(body);
    }
    // One to gather in, one for the ends, two for the wholes.
    expect(made).toBe(4);
  });
});

describe('a fifo', () => {
  it('gives back what it took, in order, over many turns', () => {
    const fifo = new Fifo<number>();
    const prng = Prng.fromSeed(3);
    let [put, got] = [0, 0];
    for (let step = 0; step < 10_000; step++) {
      if (prng.chance(0.52)) fifo.push(put++);
      else if (fifo.size > 0) assert.equal(fifo.shift(), got++);
      expect(fifo.size).toBe(put - got);
    }
  });
});

describe('the deadline wheel', () => {
  it('expires each deadline once, not early, and at most a tick late', () => {
    const prng = Prng.fromSeed(4);
    let nowMs = 12_345;
    const wheel = new DeadlineWheel(10, nowMs);
    const expired = new Map<number, number>();
    const due: number[] = [];
    const alive: { deadline: Deadline; index: number }[] = [];
    for (let index = 0; index < 2000; index++) {
      const dueMs = nowMs + prng.below(20_000);
      due.push(dueMs);
      const deadline: Deadline = {
        dueTick: 0,
        previous: null,
        next: null,
        expire: () => void expired.set(index, (expired.get(index) ?? 0) + nowMs),
      };
      wheel.add(deadline, dueMs);
      alive.push({ deadline, index });
      if (prng.chance(0.3)) {
        const at = prng.below(alive.length);
        const [taken] = alive.splice(at, 1);
        if (taken !== undefined && !expired.has(taken.index)) {
          wheel.remove(taken.deadline);
          due[taken.index] = -1;
        }
      }
      if (prng.chance(0.2)) {
        nowMs += prng.below(40);
        wheel.advance(nowMs);
      }
    }
    for (let i = 0; i < 2500; i++) {
      nowMs += 10;
      wheel.advance(nowMs);
    }
    expect(wheel.size).toBe(0);
    for (const [index, dueMs] of due.entries()) {
      if (dueMs === -1) continue;
      const atMs = expired.get(index) ?? Number.NaN;
      expect(atMs).toBeGreaterThanOrEqual(dueMs);
      expect(atMs).toBeLessThan(dueMs + 50);
    }
    const taken = due.flatMap((dueMs, index) => (dueMs === -1 ? [index] : []));
    expect(taken.length).toBeGreaterThan(100);
    expect(taken.filter((index) => expired.has(index))).toEqual([]);
  });

  it('misses nothing when nobody looked for a long time', () => {
    const wheel = new DeadlineWheel(10, 0);
    let expired = 0;
    for (let i = 1; i <= 100; i++) {
      wheel.add({ dueTick: 0, previous: null, next: null, expire: () => void expired++ }, i * 777);
    }
    wheel.advance(10_000_000);
    expect(expired).toBe(100);
  });
});
