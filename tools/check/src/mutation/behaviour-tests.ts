import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { sourceFiles } from '../workspace.ts';

/**
 * The tests that may notice a mutant of a package: its own, then the simulated worlds named after it
 * (`tools/worlds/test/swim*.test.ts`). Which of them create the machine at all is found by running them once.
 */
export function behaviourTests(root: string, packageName: string): string[] {
  const own = testFiles(join(root, 'packages', packageName, 'test'));
  const worlds = testFiles(join(root, 'tools/worlds/test'));
  return [...own, ...worlds.filter((file) => basename(file).startsWith(packageName))];
}

const testFiles = (folder: string): string[] =>
  existsSync(folder) ? sourceFiles(folder).filter((file) => file.endsWith('.test.ts')) : [];
