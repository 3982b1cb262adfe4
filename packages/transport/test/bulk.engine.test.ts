/** The second connection between two nodes, for what is large or can wait. */
import { describe, expect, it } from 'vitest';
import { Prng } from '@cluster/core';
import { encodeFrame, frameTypes, priorities, type Priority } from '@cluster/transport';
import { type Booted, type BootOptions, EngineWorld, toNumber } from './engine-world.ts';
import { greeting } from './greeting.ts';

const type = 64;
const pieceBytes = 32_768;
const soon = { bulkConnection: true, bulkAfterBytes: 100_000, bulkAfterMs: 50 } as const;
const patient = { ...soon, retriesMax: 1000, dialAttemptsMax: 1000, backoffMaxMs: 200 };

interface Heard {
  readonly numbers: Map<Priority, number[]>;
  /** Lines on which messages of a priority came, in order. */
  readonly lines: Map<Priority, string[]>;
}

function listen({ engine }: Booted): Heard {
  const numbers = new Map<Priority, number[]>();
  const lines = new Map<Priority, string[]>();
  for (const priority of priorities) {
    numbers.set(priority, []);
    lines.set(priority, []);
  }
  engine.handle(type, (bytes, { priority, line }, answer) => {
    numbers.get(priority)?.push(toNumber(bytes));
    const seen = lines.get(priority);
    if (seen?.at(-1) !== line) seen?.push(line);
    answer({ ok: true, value: bytes.slice(0, 4) });
  });
  return { numbers, lines };
}

/** Two nodes over a wire that holds what is written for 20 ms. */
function stage(a: BootOptions = soon, b: BootOptions = soon) {
  const world = new EngineWorld(1);
  const nodes = { a: world.boot('a', a), b: world.boot('b', b) };
  world.network.latencyMs = 20;
  return { world, ...nodes, heard: listen(nodes.b) };
}

class Talk {
  readonly #next = new Map<string, number>();
  readonly #from: Booted;
  readonly #to: string;

  constructor(from: Booted, to: string) {
    this.#from = from;
    this.#to = to;
  }

  /** Posts so many, numbered on within their priority. */
  post(priority: Priority, count: number, size = pieceBytes): void {
    for (let i = 0; i < count; i++) {
      const number = this.#next.get(priority) ?? 0;
      this.#next.set(priority, number + 1);
      const bytes = new Uint8Array(size);
      new DataView(bytes.buffer).setUint32(0, number);
      if (!this.#from.engine.post(this.#to, type, bytes, priority))
        throw new Error(`${number} was not taken`);
    }
  }

  /** So that the connection stays crowded for a while. */
  crowd(world: EngineWorld, priority: Priority = 'Normal'): void {
    for (let i = 0; i < 12; i++) {
      this.post(priority, 10);
      world.run(20);
    }
  }

  sent(priority: Priority): number[] {
    return Array.from({ length: this.#next.get(priority) ?? 0 }, (_, i) => i);
  }
}

const opened = ({ metrics }: Booted): number => metrics.value('bulk_lines_opened');

describe('a connection for bulk', () => {
  it('is made where Normal keeps the one there is crowded: it and Low take that from then on, in order', () => {
    const { world, a, heard } = stage();
    const talk = new Talk(a, 'b');
    talk.post('Low', 1, 8);
    talk.crowd(world);
    talk.post('Low', 1, 8);
    talk.post('High', 1, 8);
    world.run(2000);
    for (const priority of priorities) expect(heard.numbers.get(priority)).toEqual(talk.sent(priority));
    expect([...heard.lines]).toEqual([
      ['Critical', []],
      ['High', ['control']],
      ['Normal', ['control', 'bulk']],
      ['Low', ['control', 'bulk']],
    ]);
    expect([opened(a), world.network.live]).toEqual([1, 2]);
    expect(a.engine.peers()).toMatchObject([
      { peer: 'b', line: 'control', pool: 'connected', queued: 0 },
      { peer: 'b', line: 'bulk', pool: 'connected', session: 'up', queued: 0 },
    ]);
  });

  it('answers a question on the line on which it came, under the name of who asked', () => {
    const { world, a, b } = stage();
    new Talk(a, 'b').crowd(world);
    world.run(1000);
    const from: unknown[] = [];
    b.engine.handle(65, (_bytes, context, answer) => {
      from.push(context.from, context.line);
      answer({ ok: true, value: Uint8Array.of(9) });
    });
    const answers: number[] = [];
    a.engine.call('b', 65, new Uint8Array(1), { priority: 'Low' }, (outcome) => {
      if (outcome.ok) answers.push(...outcome.value);
    });
    world.run(200);
    expect([from, answers]).toEqual([['a', 'bulk'], [9]]);
  });

  it('leaves Critical the other: it waits behind nothing that is large', () => {
    const { world, a, b } = stage();
    const talk = new Talk(a, 'b');
    talk.crowd(world);
    world.run(300);
    const after: number[] = [];
    const startMs = world.clock.nowMs();
    b.engine.handle(66, (_bytes, _context, answer) => {
      after.push(world.clock.nowMs() - startMs);
      answer({ ok: true, value: undefined });
    });
    talk.post('Normal', 100);
    a.engine.post('b', 66, new Uint8Array(8), 'Critical');
    world.run(500);
    expect(after).toEqual([20]);
  });

  it.each<[string, BootOptions, BootOptions]>([
    ['that is off here, as by default', { ...soon, bulkConnection: undefined }, soon],
    ['that is off there', soon, { ...soon, bulkConnection: false }],
    ['of a client', { ...soon, role: 'client', bind: null }, soon],
    ['where the crowd is over soon', { ...soon, bulkAfterMs: 1000 }, soon],
    ['where little waits', { ...soon, bulkAfterBytes: 10_000_000 }, soon],
  ])('is not made %s', (_which, optionsA, optionsB) => {
    const { world, a, heard } = stage(optionsA, optionsB);
    const talk = new Talk(a, 'b');
    talk.crowd(world);
    world.run(3000);
    expect(heard.numbers.get('Normal')).toEqual(talk.sent('Normal'));
    expect(heard.lines.get('Normal')).toEqual(['control']);
    expect([opened(a), world.network.live]).toEqual([0, 1]);
  });

  it('is not made for High, whose crowd would stay', () => {
    const { world, a, heard } = stage();
    const talk = new Talk(a, 'b');
    talk.crowd(world, 'High');
    world.run(2000);
    expect([opened(a), heard.lines.get('High')]).toEqual([0, ['control']]);
  });

  it('is one, when both sides make it at once, and each uses it', () => {
    const { world, a, b, heard } = stage();
    const other = listen(a);
    const talks = [new Talk(a, 'b'), new Talk(b, 'a')] as const;
    for (let i = 0; i < 12; i++) {
      for (const talk of talks) talk.post('Normal', 10);
      world.run(20);
    }
    world.run(3000);
    expect(world.network.live).toBe(2);
    for (const [one, talk] of [
      [heard, talks[0]],
      [other, talks[1]],
    ] as const) {
      expect(one.numbers.get('Normal')).toEqual(talk.sent('Normal'));
      expect(one.lines.get('Normal')).toEqual(['control', 'bulk']);
    }
  });

  it('is closed when nobody uses it, and made again when somebody needs it', () => {
    const options = { ...soon, idleCloseMs: 2000, resumeTimeoutMs: 1000, keepaliveIdleMs: 300 };
    const { world, a, heard } = stage(options, options);
    const talk = new Talk(a, 'b');
    talk.crowd(world);
    for (let i = 0; i < 10; i++) {
      talk.post('High', 1, 8);
      world.run(1000);
    }
    expect(world.network.live).toBe(1);
    expect(a.engine.peers()).toMatchObject([{ line: 'control' }]);
    talk.post('Normal', 3, 8);
    world.run(500);
    expect(heard.lines.get('Normal')).toEqual(['control', 'bulk', 'control']);
    talk.crowd(world);
    world.run(1000);
    expect(heard.lines.get('Normal')).toEqual(['control', 'bulk', 'control', 'bulk']);
    expect(heard.numbers.get('Normal')).toEqual(talk.sent('Normal'));
    expect(opened(a)).toBe(2);
  });

  it('that is refused leaves all to the one there is: what had waited for it is safe to repeat', () => {
    const { world, a, heard } = stage({ ...soon, dialAttemptsMax: 2 }, { ...soon, connectionsMax: 1 });
    const talk = new Talk(a, 'b');
    talk.crowd(world);
    const errors: unknown[] = [];
    a.engine.call('b', type, new Uint8Array(4), {}, (outcome) => {
      if (!outcome.ok) errors.push(outcome.error.retry);
    });
    world.run(3000);
    expect(opened(a)).toBe(1);
    expect(errors).toEqual(['safe']);
    const before = heard.numbers.get('Normal')?.length ?? 0;
    talk.post('Normal', 3, 8);
    world.run(500);
    expect(heard.numbers.get('Normal')?.length).toBe(before + 3);
    expect(heard.lines.get('Normal')).toEqual(['control']);
  });

  it('is let go when control is back, though nobody has anything new to say', () => {
    const options = { ...soon, resumeTimeoutMs: 500, dialAttemptsMax: 2, backoffMaxMs: 200 };
    const { world, a, heard } = stage(options, options);
    const talk = new Talk(a, 'b');
    for (let i = 0; i < 20 && world.network.live < 2; i++) {
      talk.post('Normal', 10);
      world.run(20);
    }
    world.run(60);
    world.network.cutFirst();
    for (const node of ['a', 'b']) world.network.down.add(world.portOf(node));
    talk.post('Normal', 3, 8);
    world.run(3000);
    const [control, bulk] = a.engine.peers();
    expect([control?.session, bulk?.line, bulk?.session]).toEqual(['absent', 'bulk', 'up']);
    expect(bulk?.queued).toBeGreaterThanOrEqual(3);
    world.network.down.clear();
    world.run(15_000);
    expect(a.engine.peers()).toMatchObject([{ session: 'up' }, { line: 'bulk', queued: 0 }]);
    expect(heard.numbers.get('Normal')?.slice(-3)).toEqual(talk.sent('Normal').slice(-3));
  });

  it('carries streams that are opened from then on; those that there are stay where they are', () => {
    const { world, a, b } = stage();
    const got: number[] = [];
    b.engine.streams.handle(type, (stream) => {
      const at = got.push(0) - 1;
      return {
        onData: ({ length }) => {
          got[at] = (got[at] ?? 0) + length;
          stream.consume(length);
        },
        onEnd: () => stream.end(),
        onReset: () => undefined,
      };
    });
    const quiet = { onData: () => undefined, onEnd: () => undefined, onReset: () => undefined };
    const first = a.engine.streams.open('b', type, quiet, 'Low');
    first.write(new Uint8Array(1000));
    new Talk(a, 'b').crowd(world);
    world.run(1000);
    const second = a.engine.streams.open('b', type, quiet, 'Low');
    for (const stream of [first, second]) {
      stream.write(new Uint8Array(200_000));
      stream.end();
    }
    world.run(2000);
    expect([first, second].map(({ node }) => node)).toEqual(['b', 'b']);
    expect(got).toEqual([201_000, 200_000]);
    expect(a.engine.channels().map(({ peer, line, streamsOpened }) => [peer, line, streamsOpened])).toEqual([
      ['b', 'control', 1],
      ['b', 'bulk', 1],
    ]);
    expect(a.engine.peers().map(({ streams }) => streams)).toEqual([0, 0]);
  });
});

describe('order over the change of the connection', () => {
  // Cuts fall anywhere: while control is still to say what has arrived, in the dial of the other, while both carry.
  it.each([0, 1])('is kept, and nothing is lost or comes twice (seeds from %i0)', (block) => {
    let changes = 0;
    for (let seed = block * 10; seed < block * 10 + 10; seed++) {
      const world = new EngineWorld(seed);
      const prng = Prng.fromSeed(seed, 'cuts');
      const options = { ...patient, idleCloseMs: 1000, resumeTimeoutMs: 60_000, bulkAfterMs: 5 };
      const [a, b] = [world.boot('a', options), world.boot('b', options)];
      world.network.latencyMs = 10;
      const talks = [new Talk(a, 'b'), new Talk(b, 'a')] as const;
      const heard = [listen(b), listen(a)] as const;
      for (let round = 0; round < 40; round++) {
        for (const talk of talks) {
          for (const priority of priorities) talk.post(priority, 1, 8 + prng.below(100));
          talk.post(prng.chance(0.5) ? 'Normal' : 'Low', prng.below(8), 8 + prng.below(40_000));
        }
        world.run(prng.below(30));
        if (prng.chance(0.2)) world.network.cutAll();
      }
      world.run(60_000);
      for (const [i, talk] of talks.entries())
        for (const priority of priorities)
          expect(heard[i]?.numbers.get(priority), `seed ${seed} ${priority}`).toEqual(talk.sent(priority));
      changes += opened(a) + opened(b);
    }
    expect(changes).toBeGreaterThan(5);
  });

  it('is kept when the peer has begun anew in the middle of it', () => {
    const { world, a, b } = stage(patient, patient);
    const talk = new Talk(a, 'b');
    talk.crowd(world);
    b.kill();
    const next = listen(world.boot('b', patient));
    talk.post('Normal', 20, 8);
    world.run(10_000);
    const numbers = next.numbers.get('Normal') ?? [];
    expect(numbers.slice(-20)).toEqual(talk.sent('Normal').slice(-20));
    expect(numbers).toEqual(numbers.toSorted((x, y) => x - y));
  });
});

describe('a peer that begins anew without it', () => {
  it('is sent all by the connection there is', () => {
    const { world, a, b } = stage(patient, patient);
    const talk = new Talk(a, 'b');
    talk.crowd(world);
    talk.post('Normal', 100);
    world.run(50);
    b.kill();
    const next = listen(world.boot('b'));
    world.run(10_000);
    talk.post('Normal', 20, 8);
    world.run(2000);
    expect(next.numbers.get('Normal')?.slice(-20)).toEqual(talk.sent('Normal').slice(-20));
    expect(next.lines.get('Normal')).toEqual(['control']);
  });
});

describe('a HELLO for bulk', () => {
  it.each<[string, BootOptions, 'node' | 'client']>([
    ['of a client', soon, 'client'],
    ['to a node that has it off', {}, 'node'],
  ])('%s is refused', (_whose, options, role) => {
    const world = new EngineWorld(1);
    const b = world.boot('b', options);
    const port = world.network.port({ clusterName: 'prod', role, id: 'x' });
    const ended: boolean[] = [];
    const end = (): void => void ended.push(true);
    const handlers = { onData: () => undefined, onEnd: end, onClose: end };
    port.dial({ host: 'memory', port: world.portOf('b') }, handlers, 1000, (outcome) => {
      if (outcome.ok) outcome.value.write(encodeFrame(frameTypes.hello, greeting({ line: 'bulk' })));
    });
    world.run(200);
    expect(ended[0]).toBe(true);
    expect(b.metrics.value('connections_rejected', { reason: 'protocol_error' })).toBe(1);
    expect(b.engine.peers()).toEqual([]);
  });
});
