import { setup } from 'xstate';
import { describe, expect, it } from 'vitest';
import * as machines from '../src/machines.ts';

interface StateNode {
  readonly id: string;
  readonly description?: string | undefined;
  readonly states: Readonly<Record<string, StateNode>>;
}

const statesOf = (node: StateNode): StateNode[] =>
  Object.values(node.states).flatMap((state) => [state, ...statesOf(state)]);

/** The states whose description names no section of the thesis. */
const withoutSection = (machine: { readonly root: StateNode }): string[] =>
  statesOf(machine.root)
    .filter(({ description }) => !/\((?:thesis|figure) \d[^)]*\)/.test(description ?? ''))
    .map(({ id }) => id);

describe('the machines', () => {
  it('say of every state what is true in it, and where the thesis says so', () => {
    const all = Object.values(machines);
    expect(all.length).toBe(5);
    expect(all.flatMap(({ root }) => statesOf(root)).length).toBeGreaterThan(25);
    expect(all.flatMap(withoutSection)).toEqual([]);
  });

  it('would be told which of them does not', () => {
    const machine = setup({}).createMachine({
      id: 'one',
      initial: 'a',
      states: {
        a: { description: 'Waits (thesis 3.3).', initial: 'b', states: { b: { description: 'Waits.' } } },
        c: {},
      },
    });
    expect(withoutSection(machine)).toEqual(['one.a.b', 'one.c']);
  });
});
