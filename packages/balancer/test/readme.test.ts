import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it, vi } from 'vitest';

it('the example of the README runs', async () => {
  const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
  const example = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? '';
  const folder = mkdtempSync(join(import.meta.dirname, '.readme-'));
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  try {
    const file = join(folder, 'example.ts');
    writeFileSync(file, example);
    await import(pathToFileURL(file).href);
    const [endpoints] = log.mock.calls[0] as [{ nodeId: string; inFlight: number }[]];
    expect(endpoints.map(({ nodeId }) => nodeId)).toEqual(['n1', 'n2', 'n3']);
    expect(endpoints.filter(({ inFlight }) => inFlight !== 0)).toEqual([]);
  } finally {
    log.mockRestore();
    rmSync(folder, { recursive: true });
  }
});
