/** What every DatagramPort does on a quiet path: here nothing is lost, though the port may lose anything. */
import type { Address, DatagramHandlers, DatagramPort, DatagramSocket } from '@cluster/core';
import {
  type ConformanceCase,
  eventually,
  expectBytes,
  expectThat,
  failWith,
  quiet,
  type Settle,
  succeed,
} from './conformance.ts';

export interface DatagramHarness extends Settle {
  /** Two ends of a path that reach each other; the same port twice for a single machine. */
  readonly a: { readonly port: DatagramPort; readonly host: string };
  readonly b: { readonly port: DatagramPort; readonly host: string };
}

interface Inbox {
  readonly handlers: DatagramHandlers;
  readonly messages: { readonly bytes: Uint8Array; readonly from: Address }[];
  readonly errors: string[];
}

function inbox(): Inbox {
  const messages: { bytes: Uint8Array; from: Address }[] = [];
  const errors: string[] = [];
  return {
    messages,
    errors,
    handlers: {
      onMessage: (bytes, from) => messages.push({ bytes, from }),
      onError: (error) => errors.push(error.code),
    },
  };
}

interface Pair {
  readonly harness: DatagramHarness;
  readonly a: DatagramSocket;
  readonly b: DatagramSocket;
  readonly atA: Inbox;
  readonly atB: Inbox;
}

const cases: Record<string, (pair: Pair) => Promise<void>> = {
  'port 0 gives a free port': async ({ a, b }) => {
    expectThat(a.local.port > 0 && b.local.port > 0, 'both have a port');
  },
  'a datagram arrives whole, with the address to answer to': async ({ harness, a, b, atA, atB }) => {
    a.send(Uint8Array.of(1, 2, 3), b.local);
    await eventually(harness, () => atB.messages.length === 1, 'the datagram');
    const [first] = atB.messages;
    expectBytes(first?.bytes ?? new Uint8Array(), [1, 2, 3], 'the datagram');
    b.send(Uint8Array.of(4), first?.from ?? b.local);
    await eventually(harness, () => atA.messages.length === 1, 'the answer');
  },
  'datagrams keep their borders': async ({ harness, a, b, atB }) => {
    for (let i = 0; i < 10; i++) a.send(new Uint8Array(i + 1), b.local);
    await eventually(harness, () => atB.messages.length === 10, 'ten datagrams');
    const lengths = atB.messages.map(({ bytes }) => bytes.length).sort((x, y) => x - y);
    expectThat(lengths.join() === '1,2,3,4,5,6,7,8,9,10', `the lengths are ${lengths.join()}`);
  },
  'a large datagram is refused by an error, and the socket goes on': async ({ harness, a, b, atA, atB }) => {
    a.send(new Uint8Array(70_000), b.local);
    await eventually(harness, () => atA.errors.length > 0, 'the error');
    expectThat(atA.errors[0] === 'NET_DATAGRAM_TOO_LARGE', `the error is ${String(atA.errors[0])}`);
    a.send(Uint8Array.of(1), b.local);
    await eventually(harness, () => atB.messages.length === 1, 'the next datagram');
  },
  'nothing listens: nobody is told by an exception': async ({ harness, a, b, atB }) => {
    b.close();
    a.send(Uint8Array.of(1), b.local);
    await quiet(harness);
    expectThat(atB.messages.length === 0, 'a closed socket hears nothing');
  },
  'a closed socket sends nothing and may be closed again': async ({ harness, a, b, atB }) => {
    a.close();
    a.close();
    a.send(Uint8Array.of(1), b.local);
    await quiet(harness);
    expectThat(atB.messages.length === 0, 'nothing arrived');
  },
  'a port in use is refused': async ({ harness, a }) => {
    await failWith(harness, 'NET_ADDRESS_IN_USE', (done) =>
      harness.a.port.bind(a.local, inbox().handlers, done),
    );
  },
  'a port is free again after close': async ({ harness, a }) => {
    a.close();
    await quiet(harness);
    const again = await succeed<DatagramSocket>(harness, (done) =>
      harness.a.port.bind(a.local, inbox().handlers, done),
    );
    again.close();
  },
  "another machine's address is refused": async ({ harness }) => {
    await failWith(harness, 'NET_ADDRESS_NOT_AVAILABLE', (done) =>
      harness.a.port.bind({ host: '192.0.2.1', port: 0 }, inbox().handlers, done),
    );
  },
};

export function datagramConformance(make: () => DatagramHarness): readonly ConformanceCase[] {
  return Object.entries(cases).map(([name, run]) => ({
    name,
    run: async () => {
      const harness = make();
      const [atA, atB] = [inbox(), inbox()];
      const bind = (end: DatagramHarness['a'], handlers: DatagramHandlers): Promise<DatagramSocket> =>
        succeed(harness, (done) => end.port.bind({ host: end.host, port: 0 }, handlers, done));
      const a = await bind(harness.a, atA.handlers);
      const b = await bind(harness.b, atB.handlers);
      try {
        await run({ harness, a, b, atA, atB });
      } finally {
        a.close();
        b.close();
      }
    },
  }));
}
