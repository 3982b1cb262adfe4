import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, vi } from 'vitest';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

it('the example of the README runs as it stands', async () => {
  const [, code = ''] = /```ts\n([\s\S]*?)```/.exec(readFileSync(here('../README.md'), 'utf8')) ?? [];
  const folder = mkdtempSync(join(tmpdir(), 'cluster-readme-'));
  const said = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  try {
    const file = join(folder, 'example.ts');
    // Outside of the workspace a package is known by its path only.
    const resolved = code
      .replaceAll("'@cluster/core'", `'${here('../src/index.ts')}'`)
      .replaceAll("'@cluster/core/node'", `'${here('../src/node.ts')}'`)
      .replaceAll("'xstate'", `'${fileURLToPath(import.meta.resolve('xstate'))}'`);
    writeFileSync(file, resolved);
    await import(file);
    // A checkpoint and the step that armed the timer come before it rings.
    await vi.waitFor(() => expect(said).toHaveBeenCalledWith('rings 3 times after 2 records'));
  } finally {
    said.mockRestore();
    rmSync(folder, { recursive: true });
  }
});
