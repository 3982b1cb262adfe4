import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test, vi } from 'vitest';

test('the example of the README runs', async () => {
  const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
  const example = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? '';
  const folder = mkdtempSync(join(import.meta.dirname, '.readme-'));
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  const out = vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
  const err = vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
  try {
    const file = join(folder, 'example.ts');
    // A package does not install itself: the example's import is pointed at the sources.
    writeFileSync(file, example.replace("'@cluster/worlds'", "'../../src/index.ts'"));
    await import(pathToFileURL(file).href);
    expect(log.mock.calls).toEqual([[0]]);
    expect(String(out.mock.calls.at(-1)?.[0])).toContain('"seeds":100');
  } finally {
    for (const spy of [log, out, err]) spy.mockRestore();
    rmSync(folder, { recursive: true });
  }
});
