/** The programs of a run, bundled from the sources. */
import { fileURLToPath } from 'node:url';
import { bundle } from '@cluster/programs';

export interface Programs {
  readonly node: string;
  readonly client: string;
  readonly checkHistory: string;
}

const source = (name: string): string => fileURLToPath(new URL(`./programs/${name}`, import.meta.url));

export async function bundlePrograms(outdir: string): Promise<Programs> {
  const {
    node,
    client,
    'check-history': checkHistory,
  } = await bundle({
    programs: {
      node: source('node-program.ts'),
      client: source('client-program.ts'),
      'check-history': source('check-history-program.ts'),
    },
    outdir,
  });
  return { node, client, checkHistory };
}
