import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it, vi } from 'vitest';

// On the system clock, like the reader's own try: it waits for two real elections.
it('the example of the README runs', async () => {
  const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
  const example = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? '';
  const folder = mkdtempSync(join(import.meta.dirname, '.readme-'));
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  try {
    const file = join(folder, 'example.ts');
    writeFileSync(file, example);
    await import(pathToFileURL(file).href);
    expect(log.mock.calls).toEqual([['the list has 1 word'], ['agreed, agreed, agreed']]);
  } finally {
    log.mockRestore();
    rmSync(folder, { recursive: true });
  }
});
