import type { Duplex, DuplexHandlers } from '@cluster/core';
import { describe, expect, test } from 'vitest';
import { type MessagePort, type NetworkOptions, World } from '../src/index.ts';

const names = ['a', 'b', 'c'];

function talkers(seed: number, network: NetworkOptions = {}) {
  const world = new World({ seed, network });
  const ports = new Map<string, MessagePort>();
  const heard: string[] = [];
  for (const name of names) {
    world.spawn(name, ({ messages }) => {
      const port = messages('x');
      port.onMessage((from, bytes) => heard.push(`${from}>${name}:${bytes[0] ?? 0}`));
      ports.set(name, port);
      return {};
    });
  }
  const say = (from: string, to: string, value: number): void =>
    ports.get(from)?.send(to, Uint8Array.of(value));
  return { world, heard, say };
}

describe('messages', () => {
  test('a quiet network delivers everything once, in order, after a delay', () => {
    const { world, heard, say } = talkers(1);
    for (let i = 0; i < 100; i++) say('a', 'b', i);
    expect(heard).toEqual([]);
    world.runFor(100);
    expect(heard).toEqual(Array.from({ length: 100 }, (_, i) => `a>b:${i}`));
  });

  test('loss, duplication and reordering happen at about their rates', () => {
    const { world, heard, say } = talkers(2, { lossRate: 0.2, duplicateRate: 0.1, reorderRate: 0.3 });
    for (let i = 0; i < 2000; i++) world.after(i, () => say('a', 'b', i & 255));
    world.runFor(5000);
    expect(heard.length).toBeGreaterThan(1650);
    expect(heard.length).toBeLessThan(1870);
    expect(world.counters.get('lost')).toBeGreaterThan(320);
    expect(world.counters.get('duplicated')).toBeGreaterThan(100);
    expect(world.counters.get('reordered')).toBeGreaterThan(400);
    const sorted = heard.every(
      (text, i) => i === 0 || Number(text.slice(4)) >= Number(heard[i - 1]?.slice(4)),
    );
    expect(sorted).toBe(false);
  });

  test('a partition stops both ways between its sides and nothing within them', () => {
    const { world, heard, say } = talkers(3);
    world.partition([['a'], ['b', 'c']]);
    say('a', 'b', 1);
    say('b', 'a', 2);
    say('b', 'c', 3);
    world.runFor(100);
    expect(heard).toEqual(['b>c:3']);
    world.heal();
    say('a', 'b', 4);
    world.runFor(100);
    expect(heard).toEqual(['b>c:3', 'a>b:4']);
  });

  test('a node that no side of a partition names reaches all of them', () => {
    const { world, heard, say } = talkers(3);
    world.partition([['a'], ['b']]);
    say('c', 'a', 1);
    say('b', 'c', 2);
    say('a', 'b', 3);
    world.runFor(100);
    expect(heard.sort()).toEqual(['b>c:2', 'c>a:1']);
  });

  test('a partition swallows what is on its way', () => {
    const { world, heard, say } = talkers(3, { delayMinMs: 5 });
    say('a', 'b', 1);
    world.runFor(1);
    world.partition([['a'], ['b', 'c']]);
    world.runFor(100);
    expect(heard).toEqual([]);
    expect(world.counters.get('droppedByPartition')).toBe(1);
  });

  test('a cut link is cut in one direction', () => {
    const { world, heard, say } = talkers(4);
    world.cut('a', 'b');
    say('a', 'b', 1);
    say('b', 'a', 2);
    world.runFor(100);
    expect(heard).toEqual(['b>a:2']);
    world.mend('a', 'b');
    say('a', 'b', 3);
    world.runFor(100);
    expect(heard).toEqual(['b>a:2', 'a>b:3']);
  });

  test('a receiver may change its bytes without changing a duplicate, and a sender must not change what it sent', () => {
    const world = new World({ seed: 1, network: { duplicateRate: 1 } });
    const heard: number[] = [];
    let port: MessagePort | undefined;
    world.spawn('a', ({ messages }) => {
      port = messages('x');
      return {};
    });
    world.spawn('b', ({ messages }) => {
      messages('x').onMessage((_, bytes) => {
        heard.push(bytes[0] ?? 0);
        bytes[0] = 99;
      });
      return {};
    });
    const sent = Uint8Array.of(1);
    port?.send('b', sent);
    world.runFor(100);
    expect(heard).toEqual([1, 1]);
    port?.send('b', sent);
    sent[0] = 2;
    world.runFor(100);
    expect(heard).toEqual([1, 1, 2, 2]);
  });
});

/** A stream from a to b, with what each side hears. */
function connected(seed: number, network: NetworkOptions = {}) {
  const world = new World({ seed, network });
  const log: string[] = [];
  const received: number[] = [];
  const ear = (name: string): DuplexHandlers => ({
    onData: (bytes) => received.push(...bytes),
    onEnd: () => log.push(`${name} end`),
    onClose: (error) => log.push(`${name} close ${error?.code ?? 'in order'}`),
  });
  const ends: { near?: Duplex; far?: Duplex } = {};
  let refusals = 0;
  const dial = (timeoutMs = 1000): void => {
    world.after(0, () => dialNow(timeoutMs));
  };
  let dialNow: (timeoutMs: number) => void = () => undefined;
  world.spawn('b', ({ streams }) => {
    streams.listen(
      { host: '', port: 80 },
      (stream) => {
        stream.handlers = ear('far');
        ends.far = stream;
      },
      () => undefined,
    );
    return {};
  });
  world.spawn('a', ({ streams }) => {
    dialNow = (timeoutMs) =>
      streams.dial({ host: world.addressOf('b'), port: 80 }, ear('near'), timeoutMs, (outcome) => {
        if (outcome.ok) ends.near = outcome.value;
        else {
          refusals++;
          log.push(outcome.error.code);
        }
      });
    return {};
  });
  world.runFor(10);
  return { world, log, received, ends, dial, refusals: () => refusals };
}

describe('streams', () => {
  test('loss delays bytes and never loses or reorders them', () => {
    const { world, received, ends, dial } = connected(1, { lossRate: 0.3 });
    dial(10_000);
    world.runFor(5000);
    const sent = Array.from({ length: 500 }, (_, i) => i & 255);
    for (const byte of sent) ends.near?.write(Uint8Array.of(byte, byte));
    world.runFor(20_000);
    expect(received).toEqual(sent.flatMap((byte) => [byte, byte]));
  });

  test('a short partition stalls a stream, which then goes on', () => {
    const { world, received, log, ends, dial } = connected(2);
    dial();
    world.runFor(100);
    world.partition([['a'], ['b']]);
    ends.near?.write(Uint8Array.of(1, 2));
    world.runFor(2000);
    expect(received).toEqual([]);
    world.heal();
    world.runFor(1000);
    expect([received, log]).toEqual([[1, 2], []]);
  });

  test('a long partition breaks the end that has something to say; the other learns of it when it speaks', () => {
    const { world, log, ends, dial } = connected(3);
    dial();
    world.runFor(100);
    world.partition([['a'], ['b']]);
    ends.near?.write(Uint8Array.of(1));
    world.runFor(20_000);
    expect(log).toEqual(['near close NET_RESET']);
    world.heal();
    world.runFor(20_000);
    expect(log).toEqual(['near close NET_RESET']);
    ends.far?.write(Uint8Array.of(2));
    world.runFor(1000);
    expect(log).toEqual(['near close NET_RESET', 'far close NET_RESET']);
  });

  test('a crash breaks the stream at the other end', () => {
    const { world, log, dial } = connected(4);
    dial();
    world.runFor(100);
    world.crash('b');
    world.runFor(1000);
    expect(log).toEqual(['near close NET_RESET']);
  });

  test('a crash behind a partition leaves the other end half open until it speaks', () => {
    const { world, log, ends, dial } = connected(5);
    dial();
    world.runFor(100);
    world.partition([['a'], ['b']]);
    world.crash('b');
    world.heal();
    world.restart('b');
    world.runFor(60_000);
    expect(log).toEqual([]);
    ends.near?.write(Uint8Array.of(1));
    world.runFor(1000);
    expect(log).toEqual(['near close NET_RESET']);
  });

  test('a dial to a host without the process is refused; into a partition it times out; healed in time it succeeds', () => {
    const { world, log, ends, dial } = connected(6);
    world.crash('b');
    dial();
    world.runFor(2000);
    world.restart('b');
    world.partition([['a'], ['b']]);
    dial();
    world.runFor(2000);
    expect(log).toEqual(['NET_REFUSED', 'NET_TIMEOUT']);
    dial(5000);
    world.runFor(1000);
    world.heal();
    world.runFor(1000);
    expect(ends.near).toBeDefined();
  });
});
