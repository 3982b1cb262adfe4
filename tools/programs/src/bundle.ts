/**
 * Bundles programs from the sources at every start (about 0.2 s): a TypeScript loader in each of several processes would cost
 * more memory than what they run, and would be measured with it.
 */
import { join } from 'node:path';
import { build, stop } from 'esbuild';

export interface BundleOptions<Name extends string> {
  /** The source of each program, by its name. */
  readonly programs: Readonly<Record<Name, string>>;
  readonly outdir: string;
  /** Modules that stay outside and are loaded from where they are installed: the path of each, by the name it is imported by. */
  readonly outside?: Readonly<Record<string, string>>;
}

/** Writes the bundles and gives the path of each. */
export async function bundle<Name extends string>({
  programs,
  outdir,
  outside = {},
}: BundleOptions<Name>): Promise<Readonly<Record<Name, string>>> {
  await build({
    entryPoints: programs,
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    conditions: ['@cluster/source'],
    splitting: true,
    minifySyntax: true,
    // The engine keeps the source in its heap, with two bytes a character if a comment has one beyond Latin-1.
    minifyWhitespace: true,
    lineLimit: 160,
    logLevel: 'error',
    external: Object.values(outside),
    alias: outside,
    // Bundled CommonJS may still call require for Node's own modules, and ask where it is.
    banner: {
      js:
        "import { createRequire as __createRequire } from 'node:module';" +
        'const require = __createRequire(import.meta.url);' +
        'const __filename = import.meta.filename; const __dirname = import.meta.dirname;',
    },
  });
  // The compiler's service is larger than a node.
  await stop();
  const names = Object.keys(programs) as Name[];
  return Object.fromEntries(names.map((name) => [name, join(outdir, `${name}.mjs`)])) as Record<Name, string>;
}
