/**
 * Who may import whom.
 *
 * Three tools share the work. oxlint knows names and scopes: globals, clocks, randomness, `await`, cycles. `turbo
 * boundaries` knows manifests: a package uses what it declares. Neither resolves a path against the layout of this
 * repository, sees `import()` and `import('x').T` alike, or knows which file of a package binds it to Node; that is here.
 */
import { readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { posix, relative, sep } from 'node:path';
import { scanImports } from './import-scan.ts';
import { sourceFiles, workspacePackages } from './workspace.ts';

export type ImportRule =
  | 'builtin-outside-node'
  | 'computed-import'
  | 'leaves-package'
  | 'node-entry'
  | 'package-imports-tool'
  | 'private-entry'
  | 'self-import'
  | 'sibling';

/** What is wrong, said so that a reader knows where the import belongs. */
export const importRules: Readonly<Record<ImportRule, string>> = {
  'builtin-outside-node': 'Only src/node.ts and src/node/** may use Node: declare a port, bind it there.',
  'computed-import': 'A package names its modules: a computed import escapes every rule.',
  'leaves-package': 'A relative import stays in its package: import other packages by name.',
  'node-entry': 'Nothing outside src/node.ts and src/node/** may reach a Node binding.',
  'package-imports-tool': 'Packages do not know the tools.',
  'private-entry': "Use the package's public entry points, not its src or dist.",
  'self-import': 'Inside a package, import by relative path.',
  sibling: 'Siblings are strangers: declare a port; only packages/manager/src/adapters joins them.',
};

export interface ImportBreach {
  readonly file: string;
  readonly line: number;
  readonly specifier: string;
  readonly rule: ImportRule;
}

/** A file's place, with forward slashes: `packages/swim/src/core/agent.ts` is `{packages, swim, src/core/agent.ts}`. */
export interface Place {
  readonly kind: 'packages' | 'tools';
  readonly package: string;
  readonly path: string;
}

const builtins = new Set(builtinModules);
const protocols = new Set(['swim', 'transport', 'raft', 'balancer', 'health']);

const isSource = (place: Place): boolean => place.path.startsWith('src/');
const inNodeBinding = (place: Place): boolean =>
  /^src\/node(\.ts$|\/)/.test(place.path) ||
  // The manager binds its siblings to Node where it joins them.
  (place.package === 'manager' && /^src\/adapters\/node(\.ts$|\/)/.test(place.path));

/** The rule that `specifier`, imported at `place`, breaks. */
export function judgeImport(place: Place, specifier: string | undefined): ImportRule | undefined {
  const inPackageSource = place.kind === 'packages' && isSource(place);
  if (specifier === undefined) return inPackageSource ? 'computed-import' : undefined;
  if (/^\.{0,2}(\/|$)/.test(specifier) || specifier.startsWith('file:'))
    return judgeRelative(place, specifier);
  if (specifier.startsWith('@cluster/')) return judgeOwn(place, specifier);
  const isBuiltin = specifier.startsWith('node:') || builtins.has(specifier);
  return isBuiltin && inPackageSource && !inNodeBinding(place) ? 'builtin-outside-node' : undefined;
}

function judgeRelative(place: Place, specifier: string): ImportRule | undefined {
  if (!specifier.startsWith('.')) return 'leaves-package';
  const path = posix.join(posix.dirname(place.path), specifier);
  if (path === '..' || path.startsWith('../')) return 'leaves-package';
  const target: Place = { ...place, path };
  if (place.kind !== 'packages' || !isSource(place) || inNodeBinding(place)) return undefined;
  return inNodeBinding(target) ? 'node-entry' : undefined;
}

function judgeOwn(place: Place, specifier: string): ImportRule | undefined {
  const [, name = '', entry = ''] = specifier.split('/');
  if (entry === 'src' || entry === 'dist') return 'private-entry';
  if (place.kind === 'tools') return undefined;
  if (name === place.package) return isSource(place) ? 'self-import' : undefined;
  if (!mayKnow(place, name)) {
    return name === 'core' || name === 'sim' || name === 'manager' || protocols.has(name)
      ? 'sibling'
      : 'package-imports-tool';
  }
  return entry === 'node' && isSource(place) && !inNodeBinding(place) ? 'node-entry' : undefined;
}

function mayKnow(place: Place, name: string): boolean {
  if (place.package === 'core') return false;
  if (name === 'core') return true;
  if (name === 'sim') return !isSource(place);
  if (place.package !== 'manager' || !protocols.has(name)) return false;
  return !isSource(place) || place.path.startsWith('src/adapters/');
}

/** Every import in the workspace that breaks a rule. */
export function checkImports(root: string): ImportBreach[] {
  const breaches: ImportBreach[] = [];
  for (const { kind, name, folder } of workspacePackages(root)) {
    for (const file of sourceFiles(folder)) {
      const path = relative(folder, file).split(sep).join('/');
      for (const { specifier, line } of scanImports(file, readFileSync(file, 'utf8'))) {
        const rule = judgeImport({ kind, package: name, path }, specifier);
        if (rule === undefined) continue;
        breaches.push({ file: relative(root, file), line, specifier: specifier ?? '(computed)', rule });
      }
    }
  }
  return breaches;
}
