/** The stepper beside xstate's own `transition()` and `actor.send`, and a hand-written switch as the limit. */
import type { AnyStateMachine } from 'xstate';
import { assert } from '@cluster/core';
import { measure, type MeasureOptions } from '../measure.ts';
import { type BenchResult, type BenchRow, ratioToLimit } from '../result.ts';
import {
  instance,
  plainMember,
  plainRole,
  type Script,
  stepperAlone,
  type Stepping,
  table,
  xstateActor,
  xstateTransition,
} from './contenders.ts';
import { memberMachine, memberScript, roleMachine, roleScript } from './machines.ts';

interface Case {
  readonly name: string;
  readonly ours: () => Stepping;
  readonly limit: () => Stepping;
  readonly peers: Readonly<Record<string, () => Stepping>>;
}

const peersOf = (machine: AnyStateMachine, script: Script): Case['peers'] => ({
  'transition()': () => xstateTransition(machine, script),
  'actor.send': () => xstateActor(machine, script),
});
const role = { limit: () => plainRole(roleScript), peers: peersOf(roleMachine, roleScript) };
const member = { limit: () => plainMember(memberScript), peers: peersOf(memberMachine, memberScript) };

const cases: readonly Case[] = [
  { name: 'role, stepper', ours: () => stepperAlone(roleMachine, roleScript), ...role },
  { name: 'role, instance with timers and effects', ours: () => instance(roleMachine, roleScript), ...role },
  { name: 'member, stepper', ours: () => stepperAlone(memberMachine, memberScript), ...member },
  {
    name: 'member, table with timers and effects',
    ours: () => table(memberMachine, memberScript),
    ...member,
  },
];

export const stepperDefaults: MeasureOptions = { rounds: 11, roundMs: 40 };

export function benchStepper(options: MeasureOptions = stepperDefaults): BenchResult {
  return {
    name: 'stepper',
    config: {
      ...options,
      node: process.version,
      observer: 'off',
      machines: [roleMachine.id, memberMachine.id],
    },
    rows: cases.map((one) => measureCase(one, options)),
  };
}

function measureCase({ name, ours, limit, peers }: Case, options: MeasureOptions): BenchRow {
  const makers = new Map([['ours', ours], ['limit', limit], ...Object.entries(peers)]);
  goTheSameWay(
    name,
    [...makers.values()].map((make) => make()),
  );
  const measured = measure(new Map([...makers].map(([who, make]) => [who, make()])), options);
  const median = (who: string): number => measured.get(who)?.median ?? Number.NaN;
  return {
    case: name,
    unit: 'µs/event',
    higherIsBetter: false,
    ours: median('ours'),
    limit: median('limit'),
    peers: Object.fromEntries(Object.keys(peers).map((peer) => [peer, median(peer)])),
    ratioToLimit: ratioToLimit(median('ours'), median('limit'), false),
    spread: measured.get('ours')?.spread ?? Number.NaN,
  };
}

/** Speeds compare only where all do the same: event by event, every contender is in the same state, and has been in several. */
function goTheSameWay(name: string, contenders: readonly Stepping[]): void {
  const seen = new Set<string>();
  for (let i = 1; i <= 64; i++) {
    for (const one of contenders) one.run(1);
    const states = new Set(contenders.map(({ state }) => state()));
    assert(
      states.size === 1,
      `${name}: after ${i} events all contenders agree, not ${[...states].join(', ')}`,
    );
    for (const state of states) seen.add(state);
  }
  assert(seen.size === 3, `${name}: the script visits all three states`);
}
