import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test, vi } from 'vitest';
import { TestAuthority } from './certificates.ts';

test('the example of the README runs', async () => {
  const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
  const example = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? '';
  expect(example.trim().split('\n').length).toBeLessThanOrEqual(12);
  const authority = await TestAuthority.create();
  vi.stubGlobal('addresses', new Map());
  vi.stubGlobal('tls', { n1: await authority.issue('n1'), n2: await authority.issue('n2') });
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  const folder = mkdtempSync(join(import.meta.dirname, '.readme-'));
  try {
    const file = join(folder, 'example.ts');
    writeFileSync(file, example);
    await import(pathToFileURL(file).href);
    expect(log.mock.calls).toEqual([['n1 said 3 bytes']]);
  } finally {
    log.mockRestore();
    vi.unstubAllGlobals();
    rmSync(folder, { recursive: true });
  }
});
