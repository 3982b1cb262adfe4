import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it, vi } from 'vitest';

it('the example of the README runs and prints what it says', async () => {
  const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
  const example = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? '';
  const folder = mkdtempSync(join(import.meta.dirname, '.readme-'));
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  try {
    const file = join(folder, 'example.ts');
    // A package does not install itself: the example's import is pointed at the sources.
    writeFileSync(file, example.replace("'@cluster/nemesis/history'", "'../../src/history.ts'"));
    await import(pathToFileURL(file).href);
    expect(log.mock.calls).toEqual([[false, 1, 2]]);
  } finally {
    log.mockRestore();
    rmSync(folder, { recursive: true });
  }
});
