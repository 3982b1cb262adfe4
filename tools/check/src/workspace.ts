import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** One package of the workspace: a folder under `packages/` or `tools/` with a manifest. */
export interface WorkspacePackage {
  readonly kind: 'packages' | 'tools';
  /** The folder's name, which is also the package's name without its scope. */
  readonly name: string;
  readonly folder: string;
}

const notSources = new Set(['node_modules', 'dist', 'coverage', '.turbo']);

/** The root of the checkout this file belongs to. */
export function workspaceRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'pnpm-workspace.yaml'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('This command works inside a checkout of the repository only.');
    folder = parent;
  }
  return folder;
}

export function workspacePackages(root: string): WorkspacePackage[] {
  const found: WorkspacePackage[] = [];
  for (const kind of ['packages', 'tools'] as const) {
    const parent = join(root, kind);
    if (!existsSync(parent)) continue;
    for (const name of readdirSync(parent).toSorted()) {
      const folder = join(parent, name);
      if (existsSync(join(folder, 'package.json'))) found.push({ kind, name, folder });
    }
  }
  return found;
}

/** Every TypeScript file below `folder`, in a stable order; build output and dependencies are left out. */
export function sourceFiles(folder: string): string[] {
  const files: string[] = [];
  const entries = readdirSync(folder, { withFileTypes: true });
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    if (notSources.has(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) files.push(...sourceFiles(path));
    else if (/\.[cm]?tsx?$/.test(entry.name)) files.push(path);
  }
  return files;
}
