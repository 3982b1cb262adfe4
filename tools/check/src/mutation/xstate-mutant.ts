/**
 * Stands before xstate in a mutation run: `createMachine` hands a changed configuration on where the mutant asks for it.
 * Changing the configuration, not the finished machine, makes everything derived from it (timers, tables, the initial
 * state) follow, as if the source had been edited.
 */
import { appendFileSync } from 'node:fs';
import { inject } from 'vitest';
import { applyMutant } from './apply-mutant.ts';
import type { Mutant } from './mutants.ts';

declare module 'vitest' {
  interface ProvidedContext {
    readonly clusterMutant: Mutant | null;
    /** One line of JSON is added for every machine created: what the runner needs to know of the run. */
    readonly clusterMachineLog: string;
  }
}

export interface MachineLogLine {
  readonly package: string;
  readonly machine: string;
  readonly mutated: boolean;
  readonly error?: string;
}

type Config = Readonly<Record<string, unknown>>;
type Create = (config: Config, ...rest: unknown[]) => unknown;
interface SetupResult {
  readonly createMachine: Create;
  readonly extend?: (...args: unknown[]) => SetupResult;
}

/** `createMachine` as the sources of `packageName` see it. */
export function mutantCreateMachine(packageName: string, create: Create): Create {
  return (config, ...rest) => {
    const machine = String(config['id']);
    const mutant = inject('clusterMutant');
    const mutated = mutant !== null && mutant.package === packageName && mutant.machine === machine;
    const log = (line: MachineLogLine): void =>
      appendFileSync(inject('clusterMachineLog'), `${JSON.stringify(line)}\n`);
    let changed = config;
    try {
      if (mutated) changed = applyMutant(config, mutant);
    } catch (error) {
      log({ package: packageName, machine, mutated, error: String(error) });
      throw error;
    }
    log({ package: packageName, machine, mutated });
    return create(changed, ...rest);
  };
}

/** `setup` as the sources of `packageName` see it. */
export function mutantSetup(packageName: string, setup: (...args: unknown[]) => SetupResult): typeof setup {
  const wrap = (result: SetupResult): SetupResult => ({
    ...result,
    createMachine: mutantCreateMachine(packageName, result.createMachine),
    ...(result.extend === undefined
      ? {}
      : {
          extend: (...args: unknown[]) => wrap((result.extend as (...a: unknown[]) => SetupResult)(...args)),
        }),
  });
  return (...args) => wrap(setup(...args));
}
