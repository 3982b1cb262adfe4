/** The scenarios: each fault on three nodes and on five. */
import { type Fault, faults } from './faults.ts';

export interface Scenario {
  readonly name: string;
  readonly nodes: number;
  readonly fault: Fault;
}

export const scenarios: readonly Scenario[] = Object.entries(faults).flatMap(([name, fault]) =>
  [3, 5].map((nodes) => ({ name: `${name}-${nodes}`, nodes, fault })),
);

/** Those of the given names, with or without a number of nodes; all for none. @throws RangeError for an unknown name. */
export function chooseScenarios(names: readonly string[]): readonly Scenario[] {
  if (names.length === 0) return scenarios;
  return names.flatMap((name) => {
    const chosen = scenarios.filter((one) => one.name === name || one.name.replace(/-\d$/, '') === name);
    if (chosen.length > 0) return chosen;
    const known = Object.keys(faults).join(', ');
    throw new RangeError(
      `there is no scenario ${name}; there are ${known}, each with -3 or -5 nodes or both`,
    );
  });
}

/** As {@link chooseScenarios}, of those that kill. @throws RangeError also for the name of one that does not. */
export function chooseKilling(names: readonly string[]): readonly Scenario[] {
  const chosen = chooseScenarios(names);
  const killing = chosen.filter(({ fault }) => fault.kills === true);
  if (names.length > 0 && killing.length < chosen.length) {
    const known = Object.keys(faults).filter((name) => faults[name]?.kills === true);
    throw new RangeError(`kills can be counted in ${known.join(', ')}, and in no other scenario`);
  }
  return killing;
}
