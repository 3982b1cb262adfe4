/**
 * The programs the demo starts, bundled from the sources at every start (about 0.2 s): a TypeScript loader in each of seven
 * processes would cost more memory than the cluster itself.
 */
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { build, stop } from 'esbuild';

export interface Programs {
  readonly node: string;
  readonly client: string;
  readonly sqlWorker: string;
}

const source = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Writes the bundles into `folder`. The native database stays outside and is loaded from where it is installed. */
export async function bundlePrograms(folder: string): Promise<Programs> {
  const native = createRequire(import.meta.url).resolve('libsql');
  await build({
    entryPoints: {
      node: source('./node-program.ts'),
      client: source('./client-program.ts'),
      'sql-worker': source('./sql/sql-worker.ts'),
    },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    conditions: ['@cluster/source'],
    splitting: true,
    minifySyntax: true,
    logLevel: 'error',
    external: [native],
    alias: { libsql: native },
    // Bundled CommonJS may still call require for Node's own modules.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  });
  // The compiler's service is larger than a node.
  await stop();
  const program = (name: string): string => join(folder, `${name}.mjs`);
  return { node: program('node'), client: program('client'), sqlWorker: program('sql-worker') };
}
