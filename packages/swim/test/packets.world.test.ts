/** Packets as they leave the socket, in the simulated world: their size, their parts, and what becomes of an error in sending. */
import { ClusterError, type DatagramPort } from '@cluster/core';
import type { NodePorts } from '@cluster/sim';
import type { SwimPorts } from '@cluster/swim';
import { keyring } from '@cluster/swim/node';
import { describe, expect, it } from 'vitest';
import { decodePacket } from '../src/wire.ts';
import { alive, CoreRig, noBytes } from './core-rig.ts';
import { Pool } from './pool.ts';

const unreachable = new ClusterError({
  code: 'NET_UNREACHABLE',
  fault: 'environment',
  message: 'The network is unreachable.',
  advice: 'Wait for it.',
});

/** Datagrams that are looked at, or not sent, on their way. @param pass false: sending fails. */
const through =
  (pass: (bytes: Uint8Array, to: string) => boolean) =>
  (_name: string, ports: NodePorts): Partial<SwimPorts> => {
    const datagrams: DatagramPort = {
      bind: (local, handlers, done) =>
        ports.datagrams.bind(local, handlers, (bound) => {
          if (!bound.ok) return done(bound);
          const { value: socket } = bound;
          const send: typeof socket.send = (bytes, to) => {
            if (pass(bytes, to.host)) socket.send(bytes, to);
            else handlers.onError(unreachable);
          };
          done({ ok: true, value: { local: socket.local, send, close: () => socket.close() } });
        }),
    };
    return { datagrams };
  };

describe('a packet', () => {
  it('is never larger than configured, with a label and encryption counted, and is filled to it', () => {
    const sizes: number[] = [];
    const gossipKeys = [Buffer.alloc(32, 5).toString('base64')];
    const look = through((bytes) => sizes.push(bytes.length) > 0);
    const pool = new Pool(0, 1, {}, {}, (name, ports) => ({
      ...look(name, ports),
      cipher: keyring(gossipKeys),
    }));
    // What is compressed leaves smaller than it was filled.
    const config = { gossipKeys, label: 'a-label-of-some-length', packetBytesMax: 1200, compression: false };
    const names = Array.from({ length: 30 }, (_, i) => `n${i}`);
    for (const name of names) pool.spawn(name, { ...config, tags: { long: 'x'.repeat(40 + name.length) } });
    pool.world.runFor(50);
    for (const name of names.slice(1)) pool.join(name, 'n0');
    expect(pool.world.runWhileNot(() => pool.converged(names), 60_000)).toBe(true);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1200);
    expect(Math.max(...sizes)).toBeGreaterThan(1050);
  });

  it('has at most 255 parts; what is more goes into others', () => {
    const rig = CoreRig.with(['a', 'b', 'c'], { packetBytesMax: 65_507, broadcastsMax: 20_000 });
    for (let i = 0; i < 400; i++) rig.hear(alive(`m${i}`));
    rig.take();
    rig.run(1000);
    const parts = rig.said('send').map(({ messages }) => messages.length);
    expect(Math.max(...parts)).toBe(255);
    expect(new Set(rig.sent('alive').map(({ message }) => message.node)).size).toBe(400);
  });

  it('that cannot be sent counts as one without an answer', () => {
    const pool = new Pool(0, 2, {}, {}, (name, ports) =>
      // All of its own packets to the victim, TCP not being tried.
      name === 'a' ? through((_bytes, to) => to !== victim)(name, ports) : {},
    );
    let victim = '';
    for (const name of ['a', 'b']) pool.spawn(name, { streamProbe: false, indirectProbes: 0 });
    pool.world.runFor(50);
    pool.join('b', 'a');
    expect(pool.world.runWhileNot(() => pool.converged(['a', 'b']), 40_000)).toBe(true);
    victim = pool.world.addressOf('b');
    const isSuspect = (): boolean => pool.stateOf('a', 'b') === 'Suspect';
    expect(pool.world.runWhileNot(isSuspect, 10_000)).toBe(true);
    expect(pool.metrics.get('a')?.value('ping_failures')).toBeGreaterThan(0);
    expect(pool.engine('a').agentState).toBe('running.settled');
  });

  it('of more parts than it says, or fewer, gives those that are whole', () => {
    const options = { label: noBytes, cipher: undefined, inflateBytesMax: 1000 };
    const whole = decodePacket(Uint8Array.of(7, 2, 0, 1, 0, 9, 99), options);
    expect(whole.messages).toEqual([]);
    expect(whole.rejected).toEqual(['type', 'truncated']);
  });
});
