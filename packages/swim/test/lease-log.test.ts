import type { Done } from '@cluster/core';
import { VirtualClock } from '@cluster/sim';
import { describe, expect, it } from 'vitest';
import { type LeaseAnswer, LeaseReplica, LoggedLease } from '../src/index.ts';

const outlastMs = 5500;
const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const decode = (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes));

/** A log of one order, and nodes that each apply it to a replica of their own, when they are told to. */
class Log {
  readonly clock = new VirtualClock();
  readonly commands: Uint8Array[] = [];

  node(): Node {
    return new Node(this);
  }
}

class Node {
  readonly lease: LoggedLease;
  readonly answers: LeaseAnswer[] = [];
  replica = new LeaseReplica();
  appliedIndex = 0;
  readonly #log: Log;
  readonly #waiting = new Map<number, Done<Uint8Array>>();

  constructor(log: Log) {
    this.#log = log;
    this.lease = new LoggedLease({
      clock: log.clock,
      outlastMs,
      propose: (command, done) => this.#waiting.set(log.commands.push(command), done),
    });
  }

  ask(node: string, without: readonly string[] = [], boot = '1'): void {
    this.lease.take({ node, boot, without }, (outcome) => {
      if (outcome.ok) this.answers.push(outcome.value);
    });
  }

  apply(): void {
    for (const command of this.#log.commands.slice(this.appliedIndex)) {
      const value = this.replica.apply(++this.appliedIndex, command);
      this.lease.applied(this.appliedIndex);
      this.#waiting.get(this.appliedIndex)?.({ ok: true, value });
    }
  }
}

describe('the lease in a log', () => {
  it('is taken from who does not renew it once the asker has outlasted it, by its own clock', () => {
    const log = new Log();
    const [a, c] = [log.node(), log.node()];
    c.ask('c');
    a.ask('a');
    a.apply();
    log.clock.advance(3000);
    a.ask('a', ['c']);
    a.apply();
    expect(a.answers.at(-1)).toMatchObject({ granted: true, pending: true, epoch: 1 });
    log.clock.advance(2500);
    a.ask('a', ['c']);
    a.apply();
    expect(a.answers.at(-1)).toMatchObject({ pending: true });
    log.clock.advance(1);
    a.ask('a', ['c']);
    a.apply();
    expect(a.answers.at(-1)).toMatchObject({ pending: false, epoch: 2, fenced: ['c/1'] });
    c.ask('c');
    c.apply();
    expect(c.answers.at(-1)).toMatchObject({ granted: false, reason: 'fenced' });
  });

  it('is not taken from who has renewed behind what was outlasted', () => {
    const log = new Log();
    const [a, c] = [log.node(), log.node()];
    c.ask('c');
    a.ask('a');
    a.apply();
    log.clock.advance(5501);
    c.ask('c');
    // It has not heard of that yet.
    a.ask('a', ['c']);
    a.apply();
    expect(a.answers.at(-1)).toMatchObject({ granted: true, pending: true, epoch: 1, fenced: [] });
  });

  it('is outlasted by nobody who has only just applied it, be it after a restart', () => {
    const log = new Log();
    const [a, c] = [log.node(), log.node()];
    c.ask('c');
    a.ask('a');
    a.apply();
    log.clock.advance(20_000);
    // A new process reads the log from its beginning.
    const again = log.node();
    again.apply();
    expect([a.lease.outlasted, again.lease.outlasted]).toEqual([2, 0]);
    again.ask('a', ['c']);
    again.apply();
    expect(again.answers.at(-1)).toMatchObject({ pending: true });
  });

  it('is the same at every replica, whenever that applies it, and after an image of it', () => {
    const log = new Log();
    const [a, b] = [log.node(), log.node()];
    for (let round = 0; round < 12; round++) {
      for (const name of ['a', 'b', 'c']) a.ask(name, round > 5 && name === 'a' ? ['c'] : []);
      a.apply();
      log.clock.advance(1000);
    }
    expect(a.replica.epoch).toBe(2);
    log.clock.advance(50_000);
    const late = new LeaseReplica();
    for (const [i, command] of log.commands.slice(0, 20).entries()) late.apply(i + 1, command);
    expect(b.replica.install(late.image())).toBe(true);
    for (const [i, command] of log.commands.slice(20).entries())
      for (const replica of [late, b.replica]) replica.apply(i + 21, command);
    for (const replica of [late, b.replica]) expect(replica.image()).toEqual(a.replica.image());
  });

  it('changes nothing for what is no request, or claims to have outlasted what comes after it', () => {
    const replica = new LeaseReplica();
    const before = replica.image();
    const good = { node: 'a', boot: '1', without: [], outlasted: 0 };
    for (const bad of [null, {}, { ...good, outlasted: 7 }, { ...good, more: 1 }, { ...good, node: '' }])
      expect(replica.apply(7, encode(bad))).toEqual(new Uint8Array(0));
    expect(replica.apply(7, new Uint8Array([1, 2]))).toEqual(new Uint8Array(0));
    expect(replica.install(encode({ epoch: 1 }))).toBe(false);
    expect(replica.image()).toEqual(before);
    expect(decode(replica.apply(7, encode(good)))).toMatchObject({ granted: true });
  });

  it('counts what is no answer, and no answer at all, as none', () => {
    const outcomes: unknown[] = [];
    for (const outcome of [
      { ok: true, value: new Uint8Array(0) },
      { ok: false, error: new Error('no leader') },
    ] as unknown as Parameters<Done<Uint8Array>>[0][]) {
      const clock = new VirtualClock();
      const lease = new LoggedLease({ clock, outlastMs, propose: (_command, done) => done(outcome) });
      lease.take({ node: 'a', boot: '1', without: [] }, ({ ok }) => outcomes.push(ok));
    }
    expect(outcomes).toEqual([false]);
  });

  it('remembers only so much of when it applied what', () => {
    const clock = new VirtualClock();
    const lease = new LoggedLease({ clock, outlastMs, propose: () => undefined });
    for (let index = 1; index <= 100_000; index++) {
      lease.applied(index);
      clock.advance(1);
    }
    // Within a sixteenth of the wait.
    expect(lease.outlasted).toBeGreaterThan(100_000 - outlastMs * 1.07 - 1);
    expect(lease.outlasted).toBeLessThan(100_000 - outlastMs);
  });
});
