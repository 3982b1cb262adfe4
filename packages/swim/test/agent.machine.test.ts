import { describe, expect, it } from 'vitest';
import { agentMachine } from '../src/machines.ts';
import { Rig } from './machine-rig.ts';

type Agent = Rig<typeof agentMachine>;

const running = (): Agent => {
  const rig = Rig.instance(agentMachine);
  rig.send({ type: 'START' });
  return rig;
};
const joining = (): Agent => {
  const rig = running();
  rig.send({ type: 'JOIN' });
  return rig;
};
const leaving = (): Agent => {
  const rig = running();
  rig.send({ type: 'LEAVE', othersAlive: 2, timeoutMs: 500 });
  return rig;
};
const quoted = (incarnation: number, sameRecord: boolean, elsewhere = false) =>
  ({
    type: 'QUOTED',
    incarnation,
    known: 5,
    sameRecord,
    elsewhere,
    address: { host: '10.0.0.9', port: 1 },
  }) as const;

describe('a member that is not running', () => {
  it('hears nothing until it starts', () => {
    const rig = Rig.instance(agentMachine);
    expect(rig.state).toBe('stopped');
    expect(rig.send({ type: 'ACCUSED', incarnation: 9, known: 0 })).toEqual([]);
    expect(rig.send({ type: 'JOIN' })).toEqual([]);
    expect(rig.state).toBe('stopped');
    expect(rig.send({ type: 'START' })).toEqual(['announceArrival', 'startSchedule']);
    expect(rig.state).toBe('running.settled');
  });
});

describe('joining', () => {
  it('contacts the seeds and ends with the last of them', () => {
    const rig = running();
    expect(rig.send({ type: 'JOIN' })).toEqual(['contactSeeds']);
    expect(rig.state).toBe('running.joining');
    expect(rig.send({ type: 'SEED_SETTLED', remaining: 1 })).toEqual([]);
    expect(rig.state).toBe('running.joining');
    expect(rig.send({ type: 'SEED_SETTLED', remaining: 0 })).toEqual(['closeJoin']);
    expect(rig.state).toBe('running.settled');
  });

  it('can be given up', () => {
    const rig = joining();
    expect(rig.send({ type: 'JOIN_ABORTED' })).toEqual(['closeJoin']);
    expect(rig.state).toBe('running.settled');
  });

  it('does not begin twice at a time', () => {
    const rig = joining();
    expect(rig.send({ type: 'JOIN' })).toEqual([]);
    expect(rig.state).toBe('running.joining');
  });

  it('is closed by leaving and by stopping', () => {
    const rig = joining();
    expect(rig.send({ type: 'LEAVE', othersAlive: 1, timeoutMs: 1 })).toContain('closeJoin');
    expect(joining().send({ type: 'STOP' })).toContain('closeJoin');
  });
});

describe('what others say of a running member', () => {
  it.each([running, joining])(
    'is refuted when it is an accusation of this incarnation or a later one',
    (make) => {
      const rig = make();
      const before = rig.state;
      expect(rig.send({ type: 'ACCUSED', incarnation: 5, known: 5 })).toEqual(['refute']);
      expect(rig.acts[0]?.params).toEqual({ above: 5, accused: true });
      expect(rig.send({ type: 'ACCUSED', incarnation: 8, known: 5 })).toEqual(['refute']);
      expect(rig.acts[0]?.params).toEqual({ above: 8, accused: true });
      expect(rig.state).toBe(before);
    },
  );

  it('is let be when it is about an incarnation that is over', () => {
    expect(running().send({ type: 'ACCUSED', incarnation: 4, known: 5 })).toEqual([]);
  });

  it('is corrected when the record is not ours', () => {
    const rig = running();
    expect(rig.send(quoted(5, false))).toEqual(['refute']);
    expect(rig.acts[0]?.params).toEqual({ above: 5, accused: false });
    expect(rig.send(quoted(6, true))).toEqual(['refute']);
    expect(rig.send(quoted(5, true))).toEqual([]);
    expect(rig.send(quoted(4, false))).toEqual([]);
    expect(rig.state).toBe('running.settled');
  });

  it('is a conflict when the name is used at another address', () => {
    const rig = running();
    expect(rig.send(quoted(9, false, true))).toEqual(['reportConflict']);
    expect(rig.acts[0]?.params).toEqual({ address: { host: '10.0.0.9', port: 1 } });
    expect(rig.state).toBe('running.settled');
  });
});

describe('tags', () => {
  it('are announced by a running member only', () => {
    const rig = running();
    expect(rig.send({ type: 'TAGS_SET' })).toEqual(['announceTags']);
    expect(rig.state).toBe('running.settled');
    expect(leaving().send({ type: 'TAGS_SET' })).toEqual([]);
    expect(Rig.instance(agentMachine).send({ type: 'TAGS_SET' })).toEqual([]);
  });
});

describe('leaving', () => {
  it('ends probing and tells the others', () => {
    const rig = running();
    expect(rig.send({ type: 'LEAVE', othersAlive: 2, timeoutMs: 500 })).toEqual([
      'stopProbing',
      'announceLeave',
    ]);
    expect(rig.state).toBe('leaving');
    expect(rig.timers).toEqual([500]);
  });

  it('is done when the news has spread', () => {
    const rig = leaving();
    expect(rig.send({ type: 'LEAVE_SPREAD' })).toEqual(['stopSchedule', 'closeLeave']);
    expect(rig.state).toBe('left');
    expect(rig.timers).toEqual([]);
  });

  it('is done when it has taken long enough', () => {
    const rig = leaving();
    expect(rig.elapse()).toEqual(['stopSchedule', 'closeLeave']);
    expect(rig.state).toBe('left');
  });

  it('is done at once when there is nobody to tell', () => {
    const rig = running();
    expect(rig.send({ type: 'LEAVE', othersAlive: 0, timeoutMs: 500 })).toEqual([
      'stopProbing',
      'stopSchedule',
      'closeLeave',
    ]);
    expect(rig.state).toBe('left');
  });

  it('lets word of our death stand, and does not repeat late word of our life', () => {
    for (const make of [
      leaving,
      (): Agent => {
        const rig = leaving();
        rig.send({ type: 'LEAVE_SPREAD' });
        return rig;
      },
    ]) {
      const rig = make();
      const before = rig.state;
      expect(rig.send({ type: 'ACCUSED', incarnation: 9, known: 5 })).toEqual([]);
      expect(rig.send(quoted(9, false))).toEqual([]);
      expect(rig.state).toBe(before);
    }
  });
});

describe('stopping', () => {
  it('ends probing and the schedule', () => {
    const rig = running();
    expect(rig.send({ type: 'STOP' })).toEqual(['stopProbing', 'stopSchedule']);
    expect(rig.state).toBe('stopped');
  });

  it('ends a leave that is under way', () => {
    const rig = leaving();
    expect(rig.send({ type: 'STOP' })).toEqual(['stopSchedule']);
    expect(rig.state).toBe('stopped');
    expect(rig.timers).toEqual([]);
  });

  it('is not the end: it may start again', () => {
    const rig = running();
    rig.send({ type: 'STOP' });
    rig.send({ type: 'START' });
    expect(rig.state).toBe('running.settled');
  });
});
