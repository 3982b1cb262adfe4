import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportedMachines } from './machines.ts';
import { mermaidOf } from './mermaid.ts';

/** Where the diagrams live, below the root. Every `.mmd` file in it is generated. */
export const diagramsFolder = 'docs/diagrams';

export interface DiagramDifference {
  readonly file: string;
  readonly problem: 'missing' | 'stale' | 'orphaned';
}

/** One Mermaid file per exported machine: file name to content. A machine `swim.probe` of swim is `swim.probe.mmd`. */
export async function renderDiagrams(root: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const { package: name, machine } of await exportedMachines(root)) {
    const id = machine.id.startsWith(`${name}.`) ? machine.id.slice(name.length + 1) : machine.id;
    const file = `${name}.${id}.mmd`;
    if (files.has(file))
      throw new Error(`Two machines of ${name} want the diagram ${file}: give them other ids.`);
    files.set(file, mermaidOf(machine));
  }
  return files;
}

const present = (folder: string): string[] =>
  existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith('.mmd')) : [];

/** How the files on disk differ from the machines. */
export async function compareDiagrams(root: string): Promise<DiagramDifference[]> {
  const folder = join(root, diagramsFolder);
  const wanted = await renderDiagrams(root);
  const there = new Set(present(folder));
  const differences: DiagramDifference[] = [];
  for (const [file, text] of wanted) {
    if (!there.has(file)) differences.push({ file, problem: 'missing' });
    else if (readFileSync(join(folder, file), 'utf8') !== text) differences.push({ file, problem: 'stale' });
  }
  for (const file of there) if (!wanted.has(file)) differences.push({ file, problem: 'orphaned' });
  return differences;
}

/** Writes what differs and removes what no machine asks for. */
export async function writeDiagrams(root: string): Promise<DiagramDifference[]> {
  const differences = await compareDiagrams(root);
  const wanted = await renderDiagrams(root);
  const folder = join(root, diagramsFolder);
  for (const { file } of differences) {
    const text = wanted.get(file);
    if (text === undefined) rmSync(join(folder, file));
    else {
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, file), text);
    }
  }
  return differences;
}
