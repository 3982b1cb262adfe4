import { describe, expect, it } from 'vitest';
import { streamMachine } from '@cluster/transport/machines';
import type { StreamEvent } from '../src/core/stream.machine.ts';
import { MachineDriver } from './machine-driver.ts';

const refusal = { code: 'WHY', reason: 'because' };

/** Where these events lead, and what is done on the way. */
function after(...events: StreamEvent[]): { state: string; done: string[]; why: unknown } {
  const driver = new MachineDriver(streamMachine, undefined);
  const done = driver.send(...events);
  const why = driver.params['sendReset'] ?? driver.params['tellReset'];
  return { state: driver.state, done, why };
}

const ended: StreamEvent = { type: 'ENDED' };
const peerEnded: StreamEvent = { type: 'PEER_ENDED' };

describe('a stream', () => {
  it('is half closed when one side has ended, and closed when both have (RFC 9113, 5.1)', () => {
    expect(after(ended)).toEqual({ state: 'live.endedHere', done: ['sendEnd'] });
    expect(after(peerEnded)).toEqual({ state: 'live.endedThere', done: ['tellEnd'] });
    expect(after(ended, peerEnded)).toEqual({ state: 'closed', done: ['sendEnd', 'tellEnd', 'release'] });
    expect(after(peerEnded, ended)).toEqual({ state: 'closed', done: ['tellEnd', 'sendEnd', 'release'] });
  });

  it.each([[[]], [[ended]], [[peerEnded]]])(
    'is gone after a reset by either side, or with its session: %j',
    (before) => {
      const { done } = after(...before);
      const closed = (...more: string[]): object => ({
        state: 'closed',
        done: [...done, ...more, 'release'],
        why: { refusal },
      });
      expect(after(...before, { type: 'RESET', refusal })).toEqual(closed('sendReset'));
      expect(after(...before, { type: 'PEER_RESET', refusal })).toEqual(closed('tellReset'));
      expect(after(...before, { type: 'LOST', refusal })).toEqual(closed('tellReset'));
    },
  );
});
