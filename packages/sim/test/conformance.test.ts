import { type Clock, type DatagramPort, type Disk, type DuplexPort, memoryDisk } from '@cluster/core';
import { describe, expect, test } from 'vitest';
import {
  clockConformance,
  datagramConformance,
  diskConformance,
  duplexConformance,
  type NodePorts,
  World,
} from '../src/index.ts';

/** Two quiet nodes and their ports. */
function twoNodes(): { world: World; a: NodePorts; b: NodePorts; settle: () => void } {
  const world = new World({ seed: 1 });
  const ports = new Map<string, NodePorts>();
  for (const name of ['a', 'b']) {
    world.spawn(name, (given) => {
      ports.set(name, given);
      return {};
    });
  }
  const [a, b] = [ports.get('a') as NodePorts, ports.get('b') as NodePorts];
  return { world, a, b, settle: () => world.runFor(20) };
}

describe('the simulated clock', () => {
  const make = (): { clock: Clock; settle: () => void } => {
    const { a, settle } = twoNodes();
    return { clock: a.clock, settle };
  };
  test.each([...clockConformance(make)])('$name', ({ run }) => expect(run()).resolves.toBeUndefined());
});

describe('the simulated disk', () => {
  const make = (): { disk: Disk; settle: () => void } => {
    const { a, settle } = twoNodes();
    return { disk: a.disk, settle };
  };
  test.each([...diskConformance(make)])('$name', ({ run }) => expect(run()).resolves.toBeUndefined());
});

describe('the disk in memory', () => {
  test.each([...diskConformance(() => ({ disk: memoryDisk(), settle: () => undefined }))])(
    '$name',
    ({ run }) => expect(run()).resolves.toBeUndefined(),
  );
});

describe('simulated datagrams', () => {
  const make = (): {
    a: { port: DatagramPort; host: string };
    b: { port: DatagramPort; host: string };
    settle: () => void;
  } => {
    const { a, b, settle } = twoNodes();
    return { a: { port: a.datagrams, host: a.host }, b: { port: b.datagrams, host: b.host }, settle };
  };
  test.each([...datagramConformance(make)])('$name', ({ run }) => expect(run()).resolves.toBeUndefined());
});

describe('simulated streams', () => {
  const make = (): { a: DuplexPort; b: { port: DuplexPort; host: string }; settle: () => void } => {
    const { a, b, settle } = twoNodes();
    return { a: a.streams, b: { port: b.streams, host: b.host }, settle };
  };
  test.each([...duplexConformance(make)])('$name', ({ run }) => expect(run()).resolves.toBeUndefined());
});
