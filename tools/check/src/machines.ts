import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { AnyStateMachine } from 'xstate';
import { workspacePackages } from './workspace.ts';

/** A statechart that a package exports from its `./machines` entry. */
export interface ExportedMachine {
  readonly package: string;
  readonly machine: AnyStateMachine;
}

const isMachine = (value: unknown): value is AnyStateMachine =>
  typeof value === 'object' && value !== null && 'root' in value && 'config' in value && 'idMap' in value;

/** Where a package keeps its machines; a package without the file has none. */
export const machinesFile = (folder: string): string => join(folder, 'src/machines.ts');

/**
 * Every machine of every package, in the order of their names: what is generated from them must not depend on luck.
 *
 * @param isWanted Packages to look at. Default: all.
 */
export async function exportedMachines(
  root: string,
  isWanted: (packageName: string) => boolean = () => true,
): Promise<ExportedMachine[]> {
  const found: ExportedMachine[] = [];
  for (const { name, folder } of workspacePackages(root)) {
    const file = machinesFile(folder);
    if (!isWanted(name) || !existsSync(file)) continue;
    const machines = new Set((await exportsOf(file)).filter(isMachine));
    const sorted = [...machines].toSorted((a, b) => (a.id < b.id ? -1 : 1));
    for (const [index, machine] of sorted.entries()) {
      if (sorted[index + 1]?.id === machine.id)
        throw new Error(`${file} exports two machines with the id ${machine.id}`);
      found.push({ package: name, machine });
    }
  }
  return found;
}

async function exportsOf(file: string): Promise<unknown[]> {
  try {
    return Object.values((await import(pathToFileURL(file).href)) as object);
  } catch (error) {
    throw new Error(`${file} does not load: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
