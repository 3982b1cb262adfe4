import { describe, expect, it } from 'vitest';
import { connectionMachine } from '@cluster/transport/machines';
import type { ConnectionEvent } from '../src/core/connection.machine.ts';
import {
  connectionIdle,
  drainTimedOut,
  handshakeTimedOut,
  peerSilent,
  writeStalled,
} from '../src/core/refusal.ts';
import { MachineDriver } from './machine-driver.ts';

const timings = { handshakeTimeoutMs: 3000, pingTimeoutMs: 2000, drainTimeoutMs: 1500, lingerMs: 1000 };
const good = { refusal: null };
const bad = { refusal: { code: 'TRANSPORT_CLUSTER_MISMATCH', reason: 'other cluster' } };

const paths = {
  new: [],
  dialing: [{ type: 'DIAL' }],
  greeting: [{ type: 'DIAL' }, { type: 'STREAM_OPENED', ...good }],
  awaitingHello: [{ type: 'ACCEPT', ...good }],
  'open.live': [
    { type: 'ACCEPT', ...good },
    { type: 'HELLO', ...good },
  ],
  'open.probing': [{ type: 'ACCEPT', ...good }, { type: 'HELLO', ...good }, { type: 'QUIET' }],
  draining: [{ type: 'ACCEPT', ...good }, { type: 'HELLO', ...good }, { type: 'GOAWAY' }],
  retired: [{ type: 'ACCEPT', ...good }, { type: 'HELLO', ...good }, { type: 'RETIRED' }],
  refusing: [{ type: 'ACCEPT', ...bad }],
  closed: [{ type: 'DIAL' }, { type: 'STREAM_FAILED' }],
} satisfies Record<string, ConnectionEvent[]>;
type State = keyof typeof paths;

const at = (state: State): MachineDriver<typeof connectionMachine> => {
  const driver = new MachineDriver(connectionMachine, timings);
  driver.send(...paths[state]);
  expect(driver.state).toBe(state);
  return driver;
};

const refusing = ['sendRefused', 'finish'];
const closing = ['finish', 'closeStream'];

describe('a connection', () => {
  it.each<[State, ConnectionEvent, State, string[]]>([
    ['new', { type: 'DIAL' }, 'dialing', ['openStream']],
    ['new', { type: 'ACCEPT', ...good }, 'awaitingHello', []],
    ['new', { type: 'ACCEPT', ...bad }, 'refusing', refusing],
    ['dialing', { type: 'STREAM_OPENED', ...good }, 'greeting', ['sendHello']],
    ['dialing', { type: 'STREAM_OPENED', ...bad }, 'refusing', refusing],
    ['dialing', { type: 'STREAM_FAILED' }, 'closed', closing],
    ['dialing', { type: 'SUPERSEDED' }, 'closed', closing],
    ['dialing', { type: 'SHUTDOWN' }, 'closed', closing],
    ['greeting', { type: 'HELLO_ACK', ...good }, 'open.live', ['admit']],
    ['greeting', { type: 'HELLO_ACK', ...bad }, 'refusing', refusing],
    ['greeting', { type: 'REFUSED' }, 'closed', closing],
    ['greeting', { type: 'BROKEN' }, 'refusing', refusing],
    ['greeting', { type: 'CLOSED' }, 'closed', closing],
    ['greeting', { type: 'SUPERSEDED' }, 'closed', closing],
    ['greeting', { type: 'SHUTDOWN' }, 'closed', closing],
    ['awaitingHello', { type: 'HELLO', ...good }, 'open.live', ['admit']],
    ['awaitingHello', { type: 'HELLO', ...bad }, 'refusing', refusing],
    ['awaitingHello', { type: 'REFUSED' }, 'closed', closing],
    ['awaitingHello', { type: 'BROKEN' }, 'refusing', refusing],
    ['awaitingHello', { type: 'CLOSED' }, 'closed', closing],
    ['awaitingHello', { type: 'SHUTDOWN' }, 'closed', closing],
    ['open.live', { type: 'QUIET' }, 'open.probing', ['sendPing']],
    ['open.probing', { type: 'HEARD' }, 'open.live', []],
    ['open.live', { type: 'STALLED' }, 'closed', ['blame', ...closing]],
    ['open.probing', { type: 'STALLED' }, 'closed', ['blame', ...closing]],
    ['open.live', { type: 'UNUSED' }, 'refusing', ['blame', ...refusing]],
    ['open.probing', { type: 'UNUSED' }, 'open.probing', []],
    ['open.live', { type: 'EXHAUSTED' }, 'refusing', ['blame', ...refusing]],
    ['open.probing', { type: 'EXHAUSTED' }, 'refusing', ['blame', ...refusing]],
    ['open.live', { type: 'BROKEN' }, 'refusing', refusing],
    ['open.live', { type: 'REFUSED' }, 'closed', closing],
    ['open.live', { type: 'CLOSED' }, 'closed', closing],
    ['open.live', { type: 'SUPERSEDED' }, 'closed', closing],
    ['open.live', { type: 'GOAWAY' }, 'draining', ['drain']],
    ['open.live', { type: 'SHUTDOWN' }, 'draining', ['sendGoaway', 'drain']],
    ['open.probing', { type: 'CLOSED' }, 'closed', closing],
    ['open.live', { type: 'RETIRED' }, 'retired', ['finish', 'retire']],
    ['open.probing', { type: 'RETIRED' }, 'retired', ['finish', 'retire']],
    ['retired', { type: 'CLOSED' }, 'closed', closing],
    ['retired', { type: 'GOAWAY' }, 'retired', []],
    ['draining', { type: 'DRAINED' }, 'closed', closing],
    ['draining', { type: 'BROKEN' }, 'closed', closing],
    ['draining', { type: 'CLOSED' }, 'closed', closing],
    ['draining', { type: 'SUPERSEDED' }, 'closed', closing],
    ['refusing', { type: 'CLOSED' }, 'closed', closing],
  ])('in %s, on %o, goes to %s and does %j', (from, event, to, actions) => {
    const connection = at(from);
    expect(connection.send(event)).toEqual(actions);
    expect(connection.state).toBe(to);
  });

  it.each<[State, string, number, State, object | undefined, string[]]>([
    [
      'greeting',
      'handshakeTimeout',
      3000,
      'refusing',
      { refusal: handshakeTimedOut },
      ['blame', ...refusing],
    ],
    [
      'awaitingHello',
      'handshakeTimeout',
      3000,
      'refusing',
      { refusal: handshakeTimedOut },
      ['blame', ...refusing],
    ],
    ['open.probing', 'pingTimeout', 2000, 'closed', { refusal: peerSilent }, ['blame', ...closing]],
    ['draining', 'drainTimeout', 1500, 'closed', { refusal: drainTimedOut }, ['blame', ...closing]],
    ['refusing', 'linger', 1000, 'closed', undefined, closing],
    ['retired', 'linger', 1000, 'closed', undefined, closing],
  ])('in %s, after %s (%i ms), goes to %s', (from, delay, delayMs, to, refusal, actions) => {
    const connection = at(from);
    expect(connection.timers).toEqual({ [delay]: delayMs });
    expect(connection.fire(delay)).toEqual(actions);
    expect(connection.state).toBe(to);
    expect(connection.params['blame']).toEqual(refusal);
  });

  it('waits without a timer where another bounds the time, and where there is nothing to wait for', () => {
    for (const state of ['new', 'dialing', 'open.live', 'closed'] as const)
      expect(at(state).timers).toEqual({});
  });

  it('says why it ends: nobody has used it, its keys are used up, or the peer reads nothing', () => {
    const exhausted = at('open.live');
    exhausted.send({ type: 'EXHAUSTED' });
    expect(exhausted.params['blame']).toMatchObject({ refusal: { code: 'TRANSPORT_KEYS_EXHAUSTED' } });
    const unused = at('open.live');
    unused.send({ type: 'UNUSED' });
    expect(unused.params['blame']).toEqual({ refusal: connectionIdle });
    const stalled = at('open.live');
    stalled.send({ type: 'STALLED' });
    expect(stalled.params['blame']).toEqual({ refusal: writeStalled });
  });

  it('admits nobody twice, and nobody who was refused', () => {
    for (const state of ['open.live', 'open.probing', 'draining', 'refusing', 'closed'] as const) {
      const connection = at(state);
      expect(connection.send({ type: 'HELLO', ...good }, { type: 'HELLO_ACK', ...good })).toEqual([]);
      expect(connection.state).toBe(state);
    }
  });

  it('takes a HELLO only as a listener and a HELLO_ACK only as a dialler', () => {
    const dialler = at('greeting');
    dialler.send({ type: 'HELLO', ...good });
    expect(dialler.state).toBe('greeting');
    const listener = at('awaitingHello');
    listener.send({ type: 'HELLO_ACK', ...good });
    expect(listener.state).toBe('awaitingHello');
  });

  it('is over when it is closed: nothing brings it back', () => {
    const connection = at('closed');
    connection.send(
      { type: 'DIAL' },
      { type: 'ACCEPT', ...good },
      { type: 'STREAM_OPENED', ...good },
      { type: 'HEARD' },
    );
    expect(connection.state).toBe('closed');
  });
});
