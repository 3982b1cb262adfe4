import { describe, expect, it } from 'vitest';
import type { TimerInput } from '@cluster/core';
import { type Hello, TransportCore, type TransportEffect, type TransportInput } from '@cluster/transport';

const limits = {
  messageBytesMax: 65_536,
  streamWindowBytes: 65_536,
  sessionWindowBytes: 65_536,
  streamsMax: 100,
  streamBufferBytes: 65_536,
  streamsBufferBytes: 65_536,
};
const party = { clusterName: 'prod', nodeId: 'a', bootId: 'a1', codecHashes: {}, capabilities: [], limits };
const identity = { clusterName: 'prod', role: 'node' as const, id: 'b' };

const helloOfB = (changes: Partial<Hello>): Hello => ({
  ...party,
  versionMin: 1,
  versionMax: 1,
  nodeId: 'b',
  bootId: 'b1',
  expectedId: 'a',
  line: 'control',
  sessionId: null,
  proposedId: null,
  received: 0,
  ...changes,
});

/** The core of node `a`, which is told what happens and says what it wants done. */
function core(): (...inputs: (TransportInput | TimerInput)[]) => TransportEffect[] {
  const ms = 1000;
  const made = new TransportCore({
    ...party,
    seed: 1,
    peersMax: 10,
    handshakeTimeoutMs: ms,
    pingTimeoutMs: ms,
    drainTimeoutMs: ms,
    lingerMs: ms,
    backoffMinMs: 50,
    backoffMaxMs: ms,
    dialAttemptsMax: 4,
    yieldTimeoutMs: ms,
    resumeTimeoutMs: ms,
    pastSessionsMax: 16,
    pastSessionsMs: 60 * ms,
  });
  return (...inputs) => {
    const effects: TransportEffect[] = [];
    for (const input of inputs)
      made.handle(input, 0, {
        observer: null,
        emit: (effect) => void effects.push(effect as TransportEffect),
      });
    return effects;
  };
}

/** `a` has dialled `b`, and the answer of `b` says that it had dialled too, with the proposal `old`. */
function connected(): ReturnType<typeof core> {
  const tell = core();
  const said = tell(
    { type: 'NEEDED', peer: 'b' },
    { type: 'DIALLED', connection: 2, identity, refusal: null },
  );
  const [sent] = said.flatMap((effect) => (effect.type === 'sendHello' ? [effect] : []));
  const hello = helloOfB({ sessionId: sent?.hello.proposedId ?? null, proposedId: 'old' });
  expect(tell({ type: 'HELLO_ACK', connection: 2, hello })).toContainEqual(
    expect.objectContaining({ type: 'attach', connection: 2, resumed: false }),
  );
  return tell;
}

const comes = (proposedId: string): TransportInput[] => [
  { type: 'ACCEPTED', connection: 1, identity, refusal: null },
  { type: 'HELLO', connection: 1, hello: helloOfB({ proposedId }) },
];
const kinds = (effects: readonly TransportEffect[]): string[] => effects.map(({ type }) => type);

describe('a session that is over at the peer before this side has heard of it', () => {
  it('is not proposed again', () => {
    const tell = core();
    const dial = (connection: number): string => {
      const effects = tell({ type: 'DIALLED', connection, identity, refusal: null });
      const [sent] = effects.flatMap((effect) => (effect.type === 'sendHello' ? [effect.hello] : []));
      return sent?.proposedId ?? '';
    };
    const refused = (connection: number, code: string): void => {
      const effects: readonly { readonly type: string; readonly timer?: string }[] = tell({
        type: 'REFUSED',
        connection,
        refusal: { code, reason: 'said the peer' },
      });
      const timer = effects.find(
        (effect) => effect.type === 'setTimer' && effect.timer?.startsWith('pool:b'),
      );
      tell({ type: 'TIMER', timer: timer?.timer ?? '' });
    };
    tell({ type: 'NEEDED', peer: 'b' });
    const first = dial(2);
    refused(2, 'TRANSPORT_TOO_MANY_PEERS');
    expect(first).not.toBe('');
    expect(dial(4)).toBe(first);
    refused(4, 'TRANSPORT_SESSION_ENDED');
    expect(['', first]).not.toContain(dial(6));
  });
});

describe('two nodes that dial each other at once', () => {
  it('do not let a HELLO that was overtaken end the session that has begun', () => {
    const effects = connected()(...comes('old'));
    expect(effects).toContainEqual(
      expect.objectContaining({
        type: 'sendRefused',
        refusal: expect.objectContaining({ code: 'TRANSPORT_DUPLICATE_CONNECTION' }) as object,
      }),
    );
    expect(kinds(effects)).not.toContain('lose');
  });

  it('take a peer that really begins anew', () => {
    expect(kinds(connected()(...comes('new')))).toEqual(expect.arrayContaining(['lose', 'attach']));
  });
});
