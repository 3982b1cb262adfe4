import { describe, expect, it } from 'vitest';
import { StateMachine } from 'xstate';
import { applyMutant } from '../src/mutation/apply-mutant.ts';
import { mutantsOf } from '../src/mutation/mutants.ts';
import { runMutation } from '../src/mutation/mutate.ts';
import { reportLines } from '../src/mutation/report.ts';
import { everything } from './fixture-machines.ts';
import { plantedWorkspace } from './planted-workspace.ts';

const door = `import { setup } from 'xstate';
export const door = setup({ delays: { closing: 10 } }).createMachine({
  id: 'swim.door',
  initial: 'closed',
  states: {
    closed: { on: { OPEN: 'open' } },
    open: { on: { CLOSE: 'closed' }, after: { closing: 'closed' } },
    locked: {},
  },
});
`;

const doorTests = `import { expect, it } from 'vitest';
import { initialTransition, transition } from 'xstate';
import { door } from '../src/machines.ts';
const [closed] = initialTransition(door);
const [open] = transition(door, closed, { type: 'OPEN' });
it('opens', () => expect(open.value).toBe('open'));
it('closes', () => expect(transition(door, open, { type: 'CLOSE' })[0].value).toBe('closed'));
`;

const timerTest = `it('closes by itself', () =>
  expect(transition(door, open, { type: 'xstate.after.closing.swim.door.open' })[0].value).toBe('closed'));
`;

function workspace(tests: string, others: Readonly<Record<string, string>> = {}): string {
  const { root, plant } = plantedWorkspace();
  plant('vitest.config.ts', `export default { test: { include: ['packages/*/test/**/*.test.ts'] } };\n`);
  plant('packages/swim/src/machines.ts', door);
  plant('packages/swim/test/door.test.ts', tests);
  for (const [path, text] of Object.entries(others)) plant(path, text);
  return root;
}

describe('mutants', () => {
  it('delete and redirect every transition, and leave alone what is ignored on purpose', () => {
    expect(mutantsOf('swim', everything).map(({ id }) => id.replace('swim/swim.everything#', ''))).toEqual([
      'on.STOP.0#delete',
      'on.STOP.0#redirect:idle',
      'on.TICK.0#delete',
      'idle.on.PING.0#delete',
      'idle.on.GO.0#delete',
      'idle.on.GO.0#redirect:both',
      'idle.on.GO.1#delete',
      'idle.on.GO.1#redirect:end',
      'idle.after.500.0#delete',
      'idle.after.500.0#redirect:busy',
      'idle.after.doorTimeout.0#delete',
      'idle.after.doorTimeout.0#redirect:both',
      'busy.on.SKIP.0#delete',
      'busy.on.SKIP.0#redirect:busy.first',
      'busy.always.0#delete',
      'busy.always.0#redirect:idle',
      'busy.onDone.0#delete',
      'busy.onDone.0#redirect:end',
      'busy.first.on.NEXT.0#delete',
      'busy.first.on.NEXT.0#redirect:busy.first',
      'both.on.TOCK.0#delete',
      'both.left.on.on.FLIP.0#delete',
      'both.left.on.on.FLIP.0#redirect:both.left.on',
    ]);
  });

  it('differ from the machine in their own transition only', () => {
    const before = JSON.stringify(everything.config);
    const configs = mutantsOf('swim', everything).map((mutant) =>
      JSON.stringify(applyMutant(everything.config as never, mutant)),
    );
    expect(new Set([before, ...configs]).size).toBe(configs.length + 1);
    expect(JSON.stringify(everything.config)).toBe(before);
  });

  it('make machines that xstate accepts', () => {
    for (const mutant of mutantsOf('swim', everything)) {
      const config = applyMutant(everything.config as never, mutant);
      expect(() => new StateMachine(config as never, everything.implementations as never)).not.toThrow();
    }
  });
});

describe('the mutation run', () => {
  it('kills every mutant where the tests know the machine', async () => {
    const root = workspace(doorTests + timerTest);
    const result = await runMutation({ root, workers: 1 });
    expect(result).toMatchObject({ mutants: 6, killed: 6, survivors: [], ok: true });
  });

  it('names the transition nobody would miss', async () => {
    const root = workspace(doorTests);
    const result = await runMutation({ root, workers: 1 });
    expect(result.survivors).toEqual([
      { mutant: 'swim/swim.door#open.after.closing.0#delete', reason: undefined },
      { mutant: 'swim/swim.door#open.after.closing.0#redirect:locked', reason: undefined },
    ]);
    expect(result.ok).toBe(false);
    expect(reportLines(result)).toContain('SURVIVED  swim/swim.door#open.after.closing.0#delete');
  });

  it('accepts survivors that are justified, and refuses a justification that is out of date', async () => {
    const justify = (ids: readonly string[]): Record<string, string> => ({
      'docs/mutation-survivors.md': ids.map((id) => `- \`swim/swim.door#${id}\`: because\n`).join(''),
    });
    const both = ['open.after.closing.0#delete', 'open.after.closing.0#redirect:locked'];
    const accepted = await runMutation({ root: workspace(doorTests, justify(both)), workers: 1 });
    expect(accepted).toMatchObject({ killed: 4, outdated: [], ok: true });

    const stale = justify([...both, 'closed.on.OPEN.0#delete', 'gone.on.OPEN.0#delete']);
    const refused = await runMutation({ root: workspace(doorTests, stale), workers: 1 });
    expect(refused.outdated).toEqual([
      'swim/swim.door#closed.on.OPEN.0#delete',
      'swim/swim.door#gone.on.OPEN.0#delete',
    ]);
    expect(refused.ok).toBe(false);
  });

  it('counts a mutant that loops for ever as killed', async () => {
    const untilOpen = `it('opens at last', () => {
  let state = closed;
  while (state.value !== 'open') [state] = transition(door, state, { type: 'OPEN' });
  expect(state.value).toBe('open');
});\n`;
    const root = workspace(doorTests.replace(/it\('opens'.*\n/, untilOpen) + timerTest);
    const result = await runMutation({ root, workers: 1, hangMs: 1_000, only: ['swim/swim.door'] });
    expect(result).toMatchObject({ mutants: 6, killed: 6 });
  });

  it('does not start from failing tests', async () => {
    const root = workspace(`${doorTests}it('is wrong', () => expect(1).toBe(2));\n`);
    await expect(runMutation({ root, workers: 1 })).rejects.toThrow('door.test.ts fails without any mutant');
  });

  it('refuses a machine nobody exports', async () => {
    await expect(runMutation({ root: workspace(doorTests), only: ['raft'] })).rejects.toThrow('no machine');
  });
});
