/** What every DuplexPort does. */
import type { ClusterError, Duplex, DuplexHandlers, DuplexListener, DuplexPort } from '@cluster/core';
import {
  type ConformanceCase,
  eventually,
  expectThat,
  failWith,
  quiet,
  type Settle,
  succeed,
} from './conformance.ts';

export interface DuplexHarness extends Settle {
  /** The dialling end. */
  readonly a: DuplexPort;
  /** The listening end. */
  readonly b: { readonly port: DuplexPort; readonly host: string };
}

const dialTimeoutMs = 2000;

/** What one end has heard. */
class Ear {
  readonly received: number[] = [];
  ended = 0;
  closed = 0;
  drains = 0;
  error: ClusterError | null = null;
  readonly handlers: DuplexHandlers = {
    onData: (bytes) => {
      expectThat(this.ended === 0 && this.closed === 0, 'data came after the end');
      for (const byte of bytes) this.received.push(byte);
    },
    onEnd: () => {
      this.ended++;
    },
    onClose: (error) => {
      this.closed++;
      this.error = error;
    },
    onDrain: () => {
      this.drains++;
    },
  };
}

interface Connection {
  readonly harness: DuplexHarness;
  readonly listener: DuplexListener;
  readonly near: Duplex;
  readonly far: Duplex;
  readonly atNear: Ear;
  readonly atFar: Ear;
}

const pattern = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 31) & 255);

const cases: Record<string, (connection: Connection) => Promise<void>> = {
  'bytes arrive in order, both ways, whatever the pieces': async ({ harness, near, far, atNear, atFar }) => {
    const sent: number[] = [];
    for (let i = 1; i <= 40; i++) {
      const piece = pattern(i * 3);
      sent.push(...piece);
      near.write(piece);
    }
    far.write(Uint8Array.of(1, 2, 3));
    await eventually(harness, () => atFar.received.length === sent.length, 'all bytes');
    expectThat(
      sent.every((byte, i) => atFar.received[i] === byte),
      'the bytes are the same',
    );
    await eventually(harness, () => atNear.received.length === 3, 'the answer');
  },
  'the ends know where the other is': async ({ listener, near, far }) => {
    expectThat(near.remote.port === listener.local.port, 'the dialler sees the listening port');
    expectThat(
      far.remote.port > 0 && far.remote.port !== listener.local.port,
      "the listener sees the dialler's port",
    );
  },
  'an end after the last byte, and the other half goes on': async ({ harness, near, far, atNear, atFar }) => {
    near.write(Uint8Array.of(1));
    near.end();
    await eventually(harness, () => atFar.ended === 1, 'the end');
    expectThat(atFar.received.length === 1, 'the byte came before the end');
    expectThat(atFar.closed === 0 && atNear.closed === 0, 'a half-closed stream is open');
    far.write(Uint8Array.of(2, 3));
    await eventually(harness, () => atNear.received.length === 2, 'the answer after the end');
    far.end();
    await eventually(harness, () => atNear.closed === 1 && atFar.closed === 1, 'both closings');
    expectThat(atNear.error === null && atFar.error === null, 'an orderly close has no error');
    expectThat(atNear.ended === 1, 'the dialler heard the end once');
  },
  'a full buffer says so, and says when it has emptied': async ({ harness, near, atNear, atFar }) => {
    const piece = pattern(256 * 1024);
    let sent = 0;
    while (sent < 64 * piece.length) {
      sent += piece.length;
      if (!near.write(piece)) break;
    }
    expectThat(sent < 64 * piece.length, 'write said false');
    await eventually(harness, () => atNear.drains > 0, 'the drain');
    await eventually(harness, () => atFar.received.length === sent, 'all bytes');
  },
  'destroy closes this end once and the other hears of it': async ({ harness, near, atNear, atFar }) => {
    near.destroy();
    near.destroy();
    await eventually(harness, () => atNear.closed === 1, 'the closing');
    await eventually(harness, () => atFar.ended + atFar.closed > 0, 'the news at the other end');
    await quiet(harness);
    expectThat(atNear.closed === 1 && atFar.closed <= 1, 'nobody hears of a closing twice');
    expectThat(!near.write(Uint8Array.of(1)), 'a destroyed stream takes no bytes');
  },
  'nothing is called inside of destroy': async ({ near, atNear }) => {
    near.destroy();
    expectThat(atNear.closed === 0, 'onClose came inside of destroy');
  },
  'a refused dial fails': async ({ harness, listener }) => {
    listener.close();
    await quiet(harness);
    await failWith(harness, 'NET_REFUSED', (done) =>
      harness.a.dial(listener.local, new Ear().handlers, dialTimeoutMs, done),
    );
  },
  'a closed listener leaves its streams alone, and may be closed again': async ({
    harness,
    listener,
    near,
    atFar,
  }) => {
    listener.close();
    listener.close();
    near.write(Uint8Array.of(5));
    await eventually(harness, () => atFar.received.length === 1, 'the byte');
  },
  'a port in use is refused': async ({ harness, listener }) => {
    await failWith(harness, 'NET_ADDRESS_IN_USE', (done) =>
      harness.b.port.listen(listener.local, () => undefined, done),
    );
  },
};

export function duplexConformance(make: () => DuplexHarness): readonly ConformanceCase[] {
  return Object.entries(cases).map(([name, run]) => ({
    name,
    run: async () => {
      const harness = make();
      const [atNear, atFar] = [new Ear(), new Ear()];
      const accepted: Duplex[] = [];
      const accept = (stream: Duplex): void => {
        stream.handlers = atFar.handlers;
        accepted.push(stream);
      };
      const listener = await succeed<DuplexListener>(harness, (done) =>
        harness.b.port.listen({ host: harness.b.host, port: 0 }, accept, done),
      );
      const near = await succeed<Duplex>(harness, (done) =>
        harness.a.dial(listener.local, atNear.handlers, dialTimeoutMs, done),
      );
      await eventually(harness, () => accepted.length === 1, 'the accepted stream');
      const [far] = accepted;
      if (far === undefined) return;
      try {
        await run({ harness, listener, near, far, atNear, atFar });
      } finally {
        near.destroy();
        far.destroy();
        listener.close();
      }
    },
  }));
}
