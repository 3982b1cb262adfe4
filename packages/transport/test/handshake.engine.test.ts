/** What peers say about themselves, judged by whoever hears it: one code for each thing that does not fit, on both sides. */
import { describe, expect, it } from 'vitest';
import type { Outcome } from '@cluster/core';
import { encodeFrame, FrameParser, frameTypes, type SecureStream } from '@cluster/transport';
import { EngineWorld, number } from './engine-world.ts';
import { greeting } from './greeting.ts';

const type = 64;

/** Keeps the code of the REFUSED that comes. */
function listener(): { readonly codes: string[]; readonly onData: (bytes: Uint8Array) => void } {
  const codes: string[] = [];
  const parser = new FrameParser(16_384, {
    onFrame: (frameType, _flags, _typeId, _stream, _sequence, payload) => {
      if (frameType === frameTypes.refused)
        codes.push((JSON.parse(new TextDecoder().decode(payload)) as { readonly code: string }).code);
      return true;
    },
  });
  return { codes, onData: (bytes) => void parser.push(bytes) };
}

const label = (code: string): string => code.slice('TRANSPORT_'.length).toLowerCase();
const nothing = (): void => undefined;

const cases: readonly [string, string, Readonly<Record<string, unknown>>][] = [
  ['later versions', 'TRANSPORT_VERSION_MISMATCH', { versionMin: 2, versionMax: 3 }],
  ['earlier versions', 'TRANSPORT_VERSION_MISMATCH', { versionMin: 0, versionMax: 0 }],
  ['another cluster', 'TRANSPORT_CLUSTER_MISMATCH', { clusterName: 'other' }],
  ['a name that is not in its certificate', 'TRANSPORT_IDENTITY_MISMATCH', { nodeId: 'y' }],
  ['that it talks to somebody else', 'TRANSPORT_IDENTITY_MISMATCH', { expectedId: 'z' }],
  ['another structure of a codec', 'TRANSPORT_CODEC_MISMATCH', { codecHashes: { raft: 'h2' } }],
];

describe('a peer that says', () => {
  it.each(cases)('%s, dialling: both sides know it as %s', (_what, code, changes) => {
    const world = new EngineWorld(1);
    const b = world.boot('b', { codecHashes: { raft: 'h1' } });
    const heard = listener();
    const port = world.network.port({ clusterName: 'prod', role: 'node', id: 'x' });
    const handlers = { onData: heard.onData, onEnd: nothing, onClose: nothing };
    port.dial({ host: 'memory', port: world.portOf('b') }, handlers, 1000, (dialled) => {
      if (dialled.ok) dialled.value.write(encodeFrame(frameTypes.hello, greeting(changes)));
    });
    world.run(50);
    expect(heard.codes).toEqual([code]);
    expect(b.logged).toContainEqual(expect.objectContaining({ message: 'a connection was rejected', code }));
    expect(b.metrics.value('connections_rejected', { reason: label(code) })).toBe(1);
    expect(b.events).toEqual([]);
  });

  it.each(cases)('%s, listening: both sides know it as %s', (_what, code, changes) => {
    const world = new EngineWorld(1);
    const a = world.boot('a', { codecHashes: { raft: 'h1' } });
    const heard = listener();
    const port = world.network.port({ clusterName: 'prod', role: 'node', id: 'x' });
    const accept = (stream: SecureStream): void => {
      stream.handlers = { onData: heard.onData, onEnd: nothing, onClose: nothing };
      // Its answer would be to a HELLO of `a`.
      const answer = greeting({ expectedId: 'a', sessionId: 'p1', ...changes });
      stream.write(encodeFrame(frameTypes.helloAck, answer));
    };
    port.listen({ host: 'memory', port: world.portOf('x') }, accept, nothing, nothing);
    const outcomes: Outcome<Uint8Array>[] = [];
    a.engine.call('x', type, number(1), {}, (outcome) => void outcomes.push(outcome));
    world.run(500);
    expect(outcomes).toMatchObject([{ ok: false, error: { code, retry: 'safe' } }]);
    expect(heard.codes).toEqual([code]);
    expect(a.logged).toContainEqual(expect.objectContaining({ message: 'a dial failed', code }));
    expect(a.metrics.value('dials_failed', { reason: label(code) })).toBe(1);
    expect(a.events).toEqual([]);
  });

  it.each([
    ['itself', 'boot-1', 'TRANSPORT_SELF_DIALLED'],
    ['another process of its name', 'boot-2', 'TRANSPORT_NAME_IN_USE'],
  ])('to be this node, and is %s, is known by its boot id', (_who, bootId, code) => {
    const world = new EngineWorld(1);
    const b = world.boot('b');
    const heard = listener();
    const port = world.network.port({ clusterName: 'prod', role: 'node', id: 'b' });
    const handlers = { onData: heard.onData, onEnd: nothing, onClose: nothing };
    port.dial({ host: 'memory', port: world.portOf('b') }, handlers, 1000, (dialled) => {
      if (dialled.ok) dialled.value.write(encodeFrame(frameTypes.hello, greeting({ nodeId: 'b', bootId })));
    });
    world.run(50);
    expect(heard.codes).toEqual([code]);
    expect(b.logged).toContainEqual(expect.objectContaining({ message: 'a connection was rejected', code }));
    expect(b.metrics.value('connections_rejected', { reason: label(code) })).toBe(1);
  });

  it('is this node itself, at the address of another, is not taken for that one', () => {
    const world = new EngineWorld(1);
    const port = world.portOf('b');
    const a = world.boot('a', { bind: { host: 'memory', port } });
    const outcomes: Outcome<Uint8Array>[] = [];
    a.engine.call('b', type, number(1), {}, (outcome) => void outcomes.push(outcome));
    world.run(500);
    expect(outcomes).toMatchObject([{ ok: false, error: { code: 'TRANSPORT_IDENTITY_MISMATCH' } }]);
    for (const message of ['a dial failed', 'a connection was rejected'])
      expect(a.logged).toContainEqual(
        expect.objectContaining({ message, code: 'TRANSPORT_IDENTITY_MISMATCH' }),
      );
  });
});
