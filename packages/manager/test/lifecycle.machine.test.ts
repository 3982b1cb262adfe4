import type { Sink, TimerEffect } from '@cluster/core';
import { describe, expect, it } from 'vitest';
import { LifecycleCore, type LifecycleEffect } from '../src/core/lifecycle.ts';
import type { LifecycleEvent } from '../src/core/lifecycle.machine.ts';

type Said = LifecycleEffect | TimerEffect;

class Story {
  readonly core = new LifecycleCore({ leaveTimeoutMs: 100, stopTimeoutMs: 200 });
  readonly said: Said[] = [];
  #nowMs = 0;
  readonly #out: Sink<LifecycleEffect> = { observer: null, emit: (effect) => void this.said.push(effect) };

  /** What the events brought about, in short. */
  tell(...events: LifecycleEvent['type'][]): string[] {
    this.said.length = 0;
    for (const type of events) this.core.handle({ type }, this.#nowMs++, this.#out);
    return this.said.map((effect) => {
      switch (effect.type) {
        case 'refuse':
          return `refuse ${effect.command} in ${effect.state}`;
        case 'setGate':
          return effect.open ? 'open the gate' : 'close the gate';
        case 'stateChanged':
          return `now ${effect.state}`;
        case 'setTimer':
          return `timer ${effect.delayMs}`;
        case 'openComponents':
        case 'contactSeeds':
        case 'announceLeave':
        case 'closeComponents':
        case 'cancelTimer':
          return effect.type;
      }
    });
  }

  /** The timer set last fires. */
  fire(): string {
    const timer = this.said.findLast((effect) => effect.type === 'setTimer');
    if (timer?.type !== 'setTimer') throw new Error('no timer');
    this.core.handle({ type: 'TIMER', timer: timer.timer }, this.#nowMs++, this.#out);
    return this.core.state;
  }

  static at(...events: LifecycleEvent['type'][]): Story {
    const story = new Story();
    story.tell(...events);
    return story;
  }
}

describe('a manager that has been created', () => {
  it('opens its components on start, and lets calls in only when they are open', () => {
    const story = new Story();
    expect(story.tell('START')).toEqual(['openComponents', 'now starting']);
    expect(story.tell('OPENED')).toEqual(['open the gate', 'now running.alone']);
  });

  it('is simply over when it is stopped before it started', () => {
    expect(new Story().tell('STOP')).toEqual(['now stopped']);
  });

  it('refuses to join or leave', () => {
    expect(new Story().tell('JOIN', 'LEAVE')).toEqual(['refuse join in created', 'refuse leave in created']);
  });
});

describe('a manager that is starting', () => {
  it('closes what it has opened when something could not be opened', () => {
    expect(Story.at('START').tell('OPEN_FAILED')).toEqual(['closeComponents', 'now failed']);
  });

  it('can be stopped, and a late completion changes nothing', () => {
    const story = Story.at('START');
    expect(story.tell('STOP')).toEqual(['closeComponents', 'timer 200', 'now stopping']);
    expect(story.tell('OPENED')).toEqual([]);
    expect(story.core.state).toBe('stopping');
  });

  it('does not start twice', () => {
    expect(Story.at('START').tell('START')).toEqual(['refuse start in starting']);
    expect(Story.at('START', 'OPENED').tell('START')).toEqual(['refuse start in running.alone']);
  });
});

describe('a manager that runs', () => {
  it('asks the seeds on join, and is a member when one has answered', () => {
    const story = Story.at('START', 'OPENED');
    expect(story.tell('JOIN')).toEqual(['contactSeeds', 'now running.joining']);
    expect(story.tell('JOINED')).toEqual(['now running.member']);
  });

  it('is alone again when no seed answered, and may try once more', () => {
    const story = Story.at('START', 'OPENED', 'JOIN');
    expect(story.tell('JOIN_FAILED')).toEqual(['now running.alone']);
    expect(story.tell('JOIN')).toEqual(['contactSeeds', 'now running.joining']);
  });

  it('joins once at a time', () => {
    const story = Story.at('START', 'OPENED', 'JOIN');
    expect(story.tell('JOIN')).toEqual(['refuse join in running.joining']);
  });

  it('becomes a member when others join it, and may ask more seeds then', () => {
    const story = Story.at('START', 'OPENED');
    expect(story.tell('MEMBER_SEEN')).toEqual(['now running.member']);
    expect(story.tell('JOIN')).toEqual(['contactSeeds']);
    expect(story.tell('JOINED', 'JOIN_FAILED')).toEqual([]);
    expect(story.core.state).toBe('running.member');
  });

  it('closes the gate and fails when a component is lost', () => {
    expect(Story.at('START', 'OPENED').tell('COMPONENT_FAILED')).toEqual([
      'close the gate',
      'closeComponents',
      'now failed',
    ]);
  });

  it('closes at once on stop', () => {
    expect(Story.at('START', 'OPENED', 'MEMBER_SEEN').tell('STOP')).toEqual([
      'close the gate',
      'closeComponents',
      'timer 200',
      'now stopping',
    ]);
  });
});

describe('a manager that leaves', () => {
  const leave = ['START', 'OPENED', 'MEMBER_SEEN', 'LEAVE'] as const;

  it('takes no calls while it tells the others', () => {
    expect(Story.at('START', 'OPENED').tell('LEAVE')).toEqual([
      'close the gate',
      'announceLeave',
      'timer 100',
      'now leaving',
    ]);
  });

  it('has left when its word has spread, or when the time for that is up', () => {
    const story = Story.at(...leave);
    expect(story.tell('LEFT')).toContain('now left');
    const impatient = new Story();
    impatient.tell(...leave);
    expect(impatient.fire()).toBe('left');
  });

  it('can be stopped before its word has spread, and after', () => {
    expect(Story.at(...leave).tell('STOP')).toContain('now stopping');
    expect(Story.at(...leave, 'LEFT').tell('STOP')).toContain('now stopping');
  });

  it('does not come back', () => {
    expect(Story.at(...leave, 'LEFT').tell('START', 'JOIN', 'LEAVE')).toEqual([
      'refuse start in left',
      'refuse join in left',
      'refuse leave in left',
    ]);
  });
});

describe('a manager that stops', () => {
  it('has stopped when all is closed, or when the time for that is up', () => {
    expect(Story.at('START', 'OPENED', 'STOP').tell('CLOSED')).toContain('now stopped');
    const impatient = new Story();
    impatient.tell('START', 'OPENED', 'STOP');
    expect(impatient.fire()).toBe('stopped');
  });

  it('refuses everything afterwards', () => {
    expect(Story.at('STOP').tell('START', 'JOIN', 'LEAVE')).toEqual([
      'refuse start in stopped',
      'refuse join in stopped',
      'refuse leave in stopped',
    ]);
  });

  it('can be stopped after it has failed', () => {
    expect(Story.at('START', 'OPEN_FAILED').tell('STOP')).toEqual([
      'closeComponents',
      'timer 200',
      'now stopping',
    ]);
  });
});

describe('the life-cycle core', () => {
  it('goes on from a checkpoint as if nothing had happened', () => {
    const story = Story.at('START', 'OPENED', 'JOIN');
    const copy = new LifecycleCore({ leaveTimeoutMs: 100, stopTimeoutMs: 200 });
    copy.restore(story.core.checkpoint());
    expect(copy.state).toBe('running.joining');
    copy.handle({ type: 'JOINED' }, 9, { observer: null, emit: () => undefined });
    expect(copy.state).toBe('running.member');
    const fresh = new LifecycleCore({ leaveTimeoutMs: 100, stopTimeoutMs: 200 });
    fresh.restore(new Story().core.checkpoint());
    expect(fresh.state).toBe('created');
  });
});
