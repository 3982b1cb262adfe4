import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vitest/config';

const marker = '\0xstate-of:';
const shim = fileURLToPath(new URL('./xstate-mutant.ts', import.meta.url));

/** Gives the sources of each package an xstate of their own, which applies the mutant of the run. */
export function mutantPlugin(root: string): Plugin {
  const packageOf = (file: string): string | undefined => {
    const folder = join(root, 'packages/');
    const [name, part] = file.startsWith(folder) ? file.slice(folder.length).split('/') : [];
    return part === 'src' ? name : undefined;
  };
  const realOf = new Map<string, string>();
  return {
    name: 'xstate-mutant',
    enforce: 'pre',
    async resolveId(source, importer) {
      if (source !== 'xstate' || importer === undefined) return null;
      const name = packageOf(importer);
      if (name === undefined) return null;
      const real = await this.resolve(source, importer, { skipSelf: true });
      if (real === null) return null;
      // Not part of the id: vitest would take a path below node_modules for a module it need not transform.
      realOf.set(name, real.id);
      return marker + name;
    },
    load(id) {
      if (!id.startsWith(marker)) return null;
      const name = id.slice(marker.length);
      const real = JSON.stringify(realOf.get(name));
      return [
        `import * as xstate from ${real};`,
        `import { mutantCreateMachine, mutantSetup } from ${JSON.stringify(shim)};`,
        `export * from ${real};`,
        `export const createMachine = mutantCreateMachine(${JSON.stringify(name)}, xstate.createMachine);`,
        `export const setup = mutantSetup(${JSON.stringify(name)}, xstate.setup);`,
      ].join('\n');
    },
  };
}
