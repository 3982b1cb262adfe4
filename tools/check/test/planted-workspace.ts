import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { workspaceRoot } from '../src/workspace.ts';

/** A small copy of this workspace, with its settings and its dependencies, to plant violations in. */
export interface PlantedWorkspace {
  readonly root: string;
  readonly plant: (path: string, text: string) => void;
}

const settings = ['.oxfmtrc.json', '.oxlintrc.json', 'package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml'];
const members = ['core', 'sim', 'swim'] as const;

/** Lives until the test ends. Holds core, sim and swim with one clean source each. */
export function plantedWorkspace(): PlantedWorkspace {
  const here = workspaceRoot();
  const root = mkdtempSync(join(tmpdir(), 'planted-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const plant = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const copy = (path: string): void => copyFileSync(join(here, path), join(root, path));

  for (const file of [...settings, 'turbo.json', 'tsconfig.base.json']) copy(file);
  symlinkSync(join(here, 'node_modules'), join(root, 'node_modules'));
  for (const name of members) {
    const folder = join('packages', name);
    plant(join(folder, 'src/index.ts'), `export const name = '${name}';\n`);
    for (const file of ['package.json', 'turbo.json', 'tsconfig.build.json', 'tsconfig.test.json'])
      copy(join(folder, file));
    linkDependencies(join(here, folder), join(root, folder));
  }
  const references = members.flatMap((name) =>
    ['build', 'test'].map((part) => ({ path: `packages/${name}/tsconfig.${part}.json` })),
  );
  plant('tsconfig.json', `${JSON.stringify({ files: [], references }, null, 2)}\n`);
  return { root, plant };
}

/** Third parties from the real workspace; our own packages from the copy. */
function linkDependencies(from: string, to: string): void {
  mkdirSync(join(to, 'node_modules/@cluster'), { recursive: true });
  const names = readdirSync(join(from, 'node_modules'));
  for (const name of names) {
    if (name.startsWith('.') || name.startsWith('@')) continue;
    symlinkSync(join(from, 'node_modules', name), join(to, 'node_modules', name));
  }
  if (!names.includes('@cluster')) return;
  for (const name of readdirSync(join(from, 'node_modules/@cluster')))
    symlinkSync(join(to, '..', name), join(to, 'node_modules/@cluster', name));
}
