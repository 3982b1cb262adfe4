import { describe, expect, it } from 'vitest';
import {
  Driver,
  ListRecorder,
  type ProtocolCore,
  type Sink,
  type TimerEffect,
  type TimerInput,
  Tracer,
  type TraceStep,
} from '@cluster/core';
import { LampCore, type LampEffect, type LampInput } from './toy.ts';
import { VirtualClock } from './virtual-clock.ts';

type Input =
  | { readonly type: 'DO'; readonly what: readonly Effect[] }
  | { readonly type: 'DONE'; readonly name: string };
type Effect = { readonly type: 'ask'; readonly name: string } | TimerEffect;

/** Does what its input says, and remembers what it heard and when. */
class ObedientCore implements ProtocolCore<Input, Exclude<Effect, TimerEffect>> {
  readonly heard: string[] = [];
  readonly times: number[] = [];
  handle(input: Input | TimerInput, nowMs: number, out: Sink<Exclude<Effect, TimerEffect>>): void {
    this.times.push(nowMs);
    this.heard.push(
      input.type === 'DO' ? 'DO' : input.type === 'DONE' ? `DONE ${input.name}` : `TIMER ${input.timer}`,
    );
    if (input.type === 'DO') for (const one of input.what) out.emit(one);
    this.heard.push('.');
  }
  checkpoint(): Uint8Array {
    return new Uint8Array();
  }
  restore(): void {
    this.heard.length = 0;
  }
}

function obedient(tracer?: Tracer) {
  const core = new ObedientCore();
  const clock = new VirtualClock();
  const bugs: unknown[] = [];
  const driver: Driver<Input, Exclude<Effect, TimerEffect>> = new Driver({
    node: 'n1',
    name: 'obedient',
    core,
    clock,
    execute: ({ name }) => driver.dispatch({ type: 'DONE', name }),
    onBug: (error) => void bugs.push(error),
    tracer,
  });
  return { core, clock, driver, bugs, does: (...what: Effect[]) => driver.dispatch({ type: 'DO', what }) };
}

const set = (timer: string, delayMs: number): Effect => ({ type: 'setTimer', timer, delayMs });
const cancel = (timer: string): Effect => ({ type: 'cancelTimer', timer });
const ask = (name: string): Effect => ({ type: 'ask', name });

describe('the driver', () => {
  it('hands a core one input at a time: what completes at once waits for the step to end', () => {
    const { core, does } = obedient();
    does(ask('a'), ask('b'));
    expect(core.heard.join(' ')).toBe('DO . DONE a . DONE b .');
  });

  it('fires timers, replaces one that is armed again, and cancels', () => {
    const { core, clock, driver, does } = obedient();
    does(set('x', 10), set('y', 20), set('z', 30));
    does(set('x', 40), cancel('y'), cancel('never armed'));
    expect(driver.pendingTimers()).toEqual([
      { timer: 'z', dueMs: 30 },
      { timer: 'x', dueMs: 40 },
    ]);
    clock.runUntil(100);
    expect(core.heard.filter((heard) => heard.startsWith('TIMER'))).toEqual(['TIMER z', 'TIMER x']);
    expect([clock.armed, driver.pendingTimers().length]).toEqual([0, 0]);
  });

  it('never shows a core a clock that goes back', () => {
    const { core, clock, does } = obedient();
    clock.runUntil(50);
    does();
    clock.setBack(20);
    does();
    clock.runUntil(60);
    does();
    expect(core.times).toEqual([50, 50, 60]);
  });

  it('stops for good: no timer, no waiting input, no later one', () => {
    const { core, clock, driver, does } = obedient();
    does(set('x', 10));
    driver.stop();
    driver.stop();
    does(ask('a'));
    clock.runUntil(100);
    expect(core.heard.join(' ')).toBe('DO .');
    expect(clock.armed).toBe(0);
  });

  it('carries out nothing that a core says after it was stopped by one of its own effects', () => {
    const clock = new VirtualClock();
    const executed: string[] = [];
    const driver: Driver<Input, Exclude<Effect, TimerEffect>> = new Driver({
      node: 'n1',
      name: 'obedient',
      core: new ObedientCore(),
      clock,
      execute: ({ name }) => {
        executed.push(name);
        driver.stop();
      },
      onBug: () => undefined,
    });
    driver.dispatch({ type: 'DO', what: [ask('a'), ask('b'), set('x', 1)] });
    expect(executed).toEqual(['a']);
    expect(clock.armed).toBe(0);
  });

  it('stops a core that throws and says so, with the step recorded', () => {
    const recorder = new ListRecorder();
    const clock = new VirtualClock();
    const bugs: unknown[] = [];
    const driver = new Driver<LampInput, LampEffect>({
      node: 'n1',
      name: 'lamp',
      core: new LampCore(1),
      clock,
      execute: () => undefined,
      onBug: (error) => void bugs.push(error),
      tracer: new Tracer({ sink: recorder }),
    });
    for (const type of ['START', 'ON', 'BREAK', 'OFF'] as const) driver.dispatch({ type });
    clock.runUntil(1000);
    expect(bugs).toMatchObject([{ message: 'the lamp broke' }]);
    const steps = recorder.records.filter((record) => record.kind === 'step');
    expect(steps.map(({ input }) => input.type)).toEqual(['START', 'ON', 'BREAK']);
    expect(clock.armed).toBe(0);
  });

  it('names the cause of every input: the step whose effect or timer brought it about', () => {
    const recorder = new ListRecorder();
    const { clock, does } = obedient(new Tracer({ sink: recorder }));
    does(ask('a'), set('x', 10));
    does();
    clock.runUntil(20);
    const steps = recorder.records.filter((record): record is TraceStep => record.kind === 'step');
    expect(steps.map(({ seq, cause, input, t }) => [seq, cause, input.type, t])).toEqual([
      [1, null, 'DO', 0],
      [2, 1, 'DONE', 0],
      [3, null, 'DO', 0],
      [4, 1, 'TIMER', 10],
    ]);
    expect(steps[0]?.effects).toEqual([ask('a'), set('x', 10)]);
  });

  it('checkpoints a core by its own steps, however many others share the tracer', () => {
    const recorder = new ListRecorder();
    const tracer = new Tracer({ sink: recorder, checkpointEvery: 4 });
    const [busy, idle] = [obedient(tracer), obedient(tracer)];
    for (let i = 0; i < 40; i++) busy.does();
    for (let i = 0; i < 3; i++) idle.does();
    // One before any step each, then one every fourth.
    expect(recorder.records.filter(({ kind }) => kind === 'checkpoint')).toHaveLength(2 + 10);
  });

  it('checkpoints a large core more rarely, so that the file does not grow by its state', () => {
    const recorder = new ListRecorder();
    const tracer = new Tracer({ sink: recorder, checkpointEvery: 4 });
    const large = obedient(tracer);
    large.core.checkpoint = () => new Uint8Array(6400);
    for (let i = 0; i < 4 + 100 * 3; i++) large.does();
    // The first was still small; then one every 6,400 bytes / 64 bytes a step.
    expect(recorder.records.filter(({ kind }) => kind === 'checkpoint')).toHaveLength(2 + 3);
  });

  it('resumes from a checkpoint with the timers that were armed, the overdue at once', () => {
    const recorder = new ListRecorder();
    const { clock, driver, does } = obedient(new Tracer({ sink: recorder, checkpointEvery: 1 }));
    does(set('x', 10), set('y', 30));
    const checkpoint = recorder.records.findLast((record) => record.kind === 'checkpoint');
    expect(checkpoint?.timers).toEqual(driver.pendingTimers());
    const begins = recorder.records.filter((one) => one.kind === 'checkpoint').map((one) => one.begins);
    expect(begins).toEqual([true, false]);
    clock.runUntil(5);
    const other = obedient();
    other.clock.runUntil(12);
    other.driver.resume(checkpoint as NonNullable<typeof checkpoint>);
    other.clock.runUntil(12);
    expect(other.core.heard).toEqual(['TIMER x', '.']);
    other.clock.runUntil(30);
    expect(other.core.heard).toEqual(['TIMER x', '.', 'TIMER y', '.']);
  });
});
