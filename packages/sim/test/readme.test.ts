import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test, vi } from 'vitest';

test('the example of the README runs', async () => {
  const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
  const example = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? '';
  const folder = mkdtempSync(join(import.meta.dirname, '.readme-'));
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  try {
    const file = join(folder, 'example.ts');
    // A package does not install itself: the example's import is pointed at the sources.
    writeFileSync(file, example.replace("'@cluster/sim'", "'../../src/index.ts'"));
    await import(pathToFileURL(file).href);
    const [heard, steps, counters] = log.mock.calls[0] as [number, number, Record<string, number>];
    expect(heard).toBeGreaterThan(2);
    expect(steps).toBeGreaterThan(heard);
    expect(counters['sent']).toBeGreaterThan(2);
  } finally {
    log.mockRestore();
    rmSync(folder, { recursive: true });
  }
});
