import { describe, expect, it } from 'vitest';
import { probeMachine } from '../src/machines.ts';
import { Rig } from './machine-rig.ts';

type Probe = Rig<typeof probeMachine>;

const round = { target: 'x', seqNo: 7, periodMs: 1000, pingTimeoutMs: 300, startedAtMs: 5000 };

const choosing = (): Probe => {
  const rig = Rig.instance(probeMachine);
  rig.send({ type: 'START', firstDelayMs: 40 });
  rig.elapse();
  return rig;
};
const direct = (): Probe => {
  const rig = choosing();
  rig.send({ type: 'TARGET_CHOSEN', round });
  return rig;
};
const indirect = (): Probe => {
  const rig = direct();
  rig.elapse();
  return rig;
};

describe('the start of probing', () => {
  it('waits for its moment, then chooses a target', () => {
    const rig = Rig.instance(probeMachine);
    expect(rig.state).toBe('off');
    expect(rig.timers).toEqual([]);
    expect(rig.send({ type: 'START', firstDelayMs: 40 })).toEqual([]);
    expect(rig.state).toBe('waiting');
    expect(rig.timers).toEqual([40]);
    expect(rig.elapse()).toEqual(['chooseTarget']);
    expect(rig.state).toBe('choosing');
  });

  it('waits a whole period when there is nobody to probe', () => {
    const rig = choosing();
    rig.send({ type: 'NOBODY_TO_PROBE', periodMs: 1000 });
    expect(rig.state).toBe('waiting');
    expect(rig.timers).toEqual([1000]);
  });
});

describe('a probe round', () => {
  it('pings the target first', () => {
    const rig = choosing();
    expect(rig.send({ type: 'TARGET_CHOSEN', round })).toContain('sendPing');
    expect(rig.acts.at(-1)?.params).toEqual({ target: 'x', seqNo: 7 });
    expect(rig.state).toBe('direct');
    expect(rig.timers).toEqual([300]);
  });

  it('ends with the answer and rests for what is left of the period', () => {
    const rig = direct();
    rig.send({ type: 'ACK_RECEIVED', seqNo: 7, atMs: 5020 });
    expect(rig.acts).toContainEqual({ type: 'reportAnswer', params: { target: 'x', roundTripMs: 20 } });
    expect(rig.state).toBe('waiting');
    expect(rig.timers).toEqual([980]);
  });

  it('takes no answer of another round for its own', () => {
    const rig = direct();
    expect(rig.send({ type: 'ACK_RECEIVED', seqNo: 6, atMs: 5020 })).toEqual([]);
    expect(rig.state).toBe('direct');
  });

  it('asks others when there is no answer in time', () => {
    const rig = direct();
    expect(rig.elapse()).toEqual(['askOthers']);
    expect(rig.acts[0]?.params).toEqual({ target: 'x', seqNo: 7 });
    expect(rig.state).toBe('indirect');
    expect(rig.timers).toEqual([700]);
  });

  it('counts an answer by way of others, until the period ends', () => {
    const rig = indirect();
    expect(rig.send({ type: 'ACK_RECEIVED', seqNo: 6, atMs: 5400 })).toEqual([]);
    expect(rig.state).toBe('indirect');
    rig.send({ type: 'ACK_RECEIVED', seqNo: 7, atMs: 5600 });
    expect(rig.acts).toContainEqual({ type: 'reportAnswer', params: { target: 'x', roundTripMs: 600 } });
    expect(rig.state).toBe('waiting');
    expect(rig.timers).toEqual([400]);
  });

  it('rests not at all when the answer came with the end of the period', () => {
    const rig = indirect();
    rig.send({ type: 'ACK_RECEIVED', seqNo: 7, atMs: 6100 });
    expect(rig.timers).toEqual([0]);
  });

  it('fails at the end of the period, says how many relays have spoken, and the next begins', () => {
    const rig = indirect();
    rig.send({ type: 'NACK_RECEIVED', seqNo: 7 });
    rig.send({ type: 'NACK_RECEIVED', seqNo: 7 });
    expect(rig.send({ type: 'NACK_RECEIVED', seqNo: 6 })).toEqual([]);
    expect(rig.elapse()).toEqual(['reportFailure', 'chooseTarget']);
    expect(rig.acts[0]?.params).toEqual({ target: 'x', nacks: 2 });
    expect(rig.state).toBe('choosing');
  });

  it('does not fail a target that answered over TCP', () => {
    const rig = indirect();
    expect(rig.send({ type: 'STREAM_ANSWERED', seqNo: 6 })).toEqual([]);
    rig.send({ type: 'STREAM_ANSWERED', seqNo: 7 });
    expect(rig.state).toBe('indirect');
    expect(rig.elapse()).toEqual(['reportOnlyStream', 'chooseTarget']);
    expect(rig.state).toBe('choosing');
  });

  it('forgets nacks and TCP answers of the round before', () => {
    const rig = indirect();
    rig.send({ type: 'NACK_RECEIVED', seqNo: 7 });
    rig.send({ type: 'STREAM_ANSWERED', seqNo: 7 });
    rig.elapse();
    rig.send({ type: 'TARGET_CHOSEN', round: { ...round, seqNo: 8 } });
    rig.elapse();
    expect(rig.elapse()).toEqual(['reportFailure', 'chooseTarget']);
    expect(rig.acts[0]?.params).toEqual({ target: 'x', nacks: 0 });
  });

  it('ignores a late answer once it is over', () => {
    const rig = direct();
    rig.send({ type: 'ACK_RECEIVED', seqNo: 7, atMs: 5020 });
    expect(rig.send({ type: 'ACK_RECEIVED', seqNo: 7, atMs: 5030 })).toEqual([]);
    expect(rig.timers).toEqual([980]);
  });
});

describe('the end of probing', () => {
  it.each([
    [
      'waiting',
      (): Probe => {
        const rig = choosing();
        rig.send({ type: 'NOBODY_TO_PROBE', periodMs: 1 });
        return rig;
      },
    ],
    ['choosing', choosing],
    ['direct', direct],
    ['indirect', indirect],
  ] as const)('stops at once while %s', (state, make) => {
    const rig = make();
    expect(rig.state).toBe(state);
    rig.send({ type: 'STOP' });
    expect(rig.state).toBe('off');
    expect(rig.timers).toEqual([]);
  });
});
