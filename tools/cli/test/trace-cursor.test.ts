import { describe, expect, it } from 'vitest';
import { decodeTrace, type TraceRecord, type TraceStep } from '@cluster/core';
import { type StepView, TraceCursor } from '@cluster/cli';
import { toyTrace } from './toy-trace.ts';

const { header, records } = decodeTrace(toyTrace());
const cursor = new TraceCursor(header, records);
const all = Array.from({ length: cursor.length }, (_, i) => i);

/** The plain way to know a moment: begin at the beginning and apply everything up to it. */
function fold(upTo: number): Pick<StepView, 'timers' | 'states'> {
  const last = cursor.step(upTo) as TraceStep;
  let timers = new Map<string, number>();
  const states = new Map<string, { core: string; machine: string; instance: string; state: string }>();
  const steps = records.filter((one): one is TraceStep => one.kind === 'step');
  const end = records.indexOf(steps[upTo + 1] as TraceRecord);
  for (const record of records.slice(0, end === -1 ? undefined : end)) {
    if (record.kind === 'header' || record.node !== last.node || record.core !== last.core) continue;
    if (record.kind === 'checkpoint') {
      timers = new Map(record.timers.map(({ timer, dueMs }) => [timer, dueMs]));
      if (record.begins) states.clear();
      continue;
    }
    if (record.input.type === 'TIMER') timers.delete((record.input as unknown as { timer: string }).timer);
    for (const effect of record.effects as readonly { type: string; timer: string; delayMs: number }[]) {
      if (effect.type === 'setTimer') timers.set(effect.timer, record.t + effect.delayMs);
      if (effect.type === 'cancelTimer') timers.delete(effect.timer);
    }
    for (const { machine, instance, to } of record.machines) {
      if (to === '') states.delete(machine + instance);
      else states.set(machine + instance, { core: record.core, machine, instance, state: to });
    }
  }
  const touched = (machine: string, instance: string): boolean =>
    last.machines.some((one) => one.machine === machine && one.instance === instance);
  return {
    timers: [...timers]
      .map(([timer, dueMs]) => ({ timer, dueMs, inMs: dueMs - last.t }))
      .toSorted((a, b) => a.dueMs - b.dueMs),
    states: [...states.values()]
      .map((one) => ({ ...one, changed: touched(one.machine, one.instance) }))
      .toSorted((a, b) => (a.machine < b.machine ? -1 : 1)),
  };
}

describe('a cursor over a trace', () => {
  it('shows at every step what applying all before it gives', () => {
    expect(all.length).toBeGreaterThan(12);
    for (const index of all) expect(cursor.view(index)).toMatchObject(fold(index));
  });

  it('shows the same however a step has been reached', () => {
    const forward = all.map((index) => cursor.view(index));
    const back = all.toReversed().map((index) => cursor.view(index));
    expect(back.toReversed()).toEqual(forward);
    const fresh = new TraceCursor(header, records);
    expect(fresh.view(9)).toEqual(forward[9]);
  });

  it('knows the cause and the consequences of a step, across nodes', () => {
    const lit = cursor.next(-1, 1, ({ node, input }) => node === 'n1' && input.type === 'ON');
    const woken = cursor.next(-1, 1, ({ node, input }) => node === 'n2' && input.type === 'ON');
    expect(cursor.view(woken).cause).toMatchObject({ node: 'n1', input: 'ON' });
    expect(cursor.causeOf(woken)).toBe(lit);
    expect(cursor.view(lit).cause).toBeNull();
    expect(cursor.consequencesOf(lit)).toContain(woken);
    expect(cursor.view(lit).consequences.map(({ node, input }) => `${node} ${input}`)).toEqual([
      'n2 ON',
      'n1 TIMER',
    ]);
  });

  it('forgets machines and timers of a life before a crash, and what was removed', () => {
    const again = cursor.next(all.length, -1, ({ node, input }) => node === 'n2' && input.type === 'START');
    const { states, timers } = cursor.view(again);
    expect(states.map(({ machine, state }) => [machine, state])).toEqual([
      ['toy.lamp', 'dark'],
      ['toy.moth', 'resting'],
    ]);
    expect(timers).toEqual([{ timer: 'watch', dueMs: 120, inMs: 100 }]);
    const gone = cursor.next(-1, 1, ({ input }) => input.type === 'GO_AWAY');
    expect(cursor.view(gone).states.map(({ machine }) => machine)).toEqual(['toy.lamp']);
    expect(cursor.view(gone - 1).states.length).toBe(2);
  });

  it('takes the timers of a trace that begins in the middle from its first checkpoint', () => {
    const from = records.findIndex((one, i) => one.kind === 'checkpoint' && one.node === 'n1' && i > 2);
    const tail = new TraceCursor(header, records.slice(from));
    const index = tail.next(-1, 1, ({ node }) => node === 'n1');
    const seq = tail.step(index)?.seq ?? -1;
    expect(tail.view(index).timers).toEqual(cursor.view(cursor.indexOf(seq)).timers);
    expect(tail.view(index).timers.length).toBeGreaterThan(0);
  });

  it('finds a number, or the next one that is there', () => {
    expect(cursor.step(cursor.indexOf(4))?.seq).toBe(4);
    expect(cursor.indexOf(0)).toBe(0);
    expect(cursor.indexOf(10_000)).toBe(-1);
  });
});
