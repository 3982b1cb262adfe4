import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test, vi } from 'vitest';

test('the example of the README runs', async () => {
  const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
  const example = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? '';
  expect(example.trim().split('\n').length).toBeLessThanOrEqual(12);
  const folder = mkdtempSync(join(import.meta.dirname, '.readme-'));
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  try {
    const file = join(folder, 'example.ts');
    writeFileSync(file, example);
    await import(pathToFileURL(file).href);
    const said = log.mock.calls.map(([line]: unknown[]) => line);
    // Our own arrival was before anybody could listen; the next is bob's.
    expect(said).toEqual([['bob {}', 'ann {"dc":"eu"}'], 'Joined']);
  } finally {
    log.mockRestore();
    rmSync(folder, { recursive: true });
  }
});
