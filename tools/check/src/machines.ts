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

/** Every machine of every package, in the order of their names: what is generated from them must not depend on luck. */
export async function exportedMachines(root: string): Promise<ExportedMachine[]> {
  const found: ExportedMachine[] = [];
  for (const { name, folder } of workspacePackages(root)) {
    const file = machinesFile(folder);
    if (!existsSync(file)) continue;
    const exported = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
    const machines = new Set(Object.values(exported).filter(isMachine));
    const sorted = [...machines].toSorted((a, b) => (a.id < b.id ? -1 : 1));
    for (const [index, machine] of sorted.entries()) {
      if (sorted[index + 1]?.id === machine.id)
        throw new Error(`${file} exports two machines with the id ${machine.id}`);
      found.push({ package: name, machine });
    }
  }
  return found;
}
