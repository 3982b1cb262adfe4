/** The programs the demo starts. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { bundle } from '@cluster/programs';

export interface Programs {
  readonly node: string;
  readonly client: string;
  readonly sqlWorker: string;
}

const source = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Writes the bundles into `folder`. The native database stays outside and is loaded from where it is installed. */
export async function bundlePrograms(folder: string): Promise<Programs> {
  const bundled = await bundle({
    programs: {
      node: source('./node-program.ts'),
      client: source('./client-program.ts'),
      'sql-worker': source('./sql/sql-worker.ts'),
    },
    outdir: folder,
    outside: { libsql: createRequire(import.meta.url).resolve('libsql') },
  });
  return { node: bundled.node, client: bundled.client, sqlWorker: bundled['sql-worker'] };
}
