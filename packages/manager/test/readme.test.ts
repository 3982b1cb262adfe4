// The README's example, run as it stands.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';

const cleanUp: string[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(cleanUp.splice(0).map((path) => rm(path, { recursive: true, force: true })));
});

it('runs the example of the README', async () => {
  const cache = await mkdtemp(join(tmpdir(), 'manager-readme-'));
  process.env['XDG_CACHE_HOME'] = cache;
  const readme = await readFile(join(import.meta.dirname, '../README.md'), 'utf8');
  const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const file = join(import.meta.dirname, `readme-example-${process.pid}.ts`);
  cleanUp.push(cache, file);
  // A module with an export of its own, so that it is awaited to its end.
  await writeFile(file, `${example}\nexport const done = true;\n`);
  const lines: string[] = [];
  vi.spyOn(console, 'log').mockImplementation((...words: unknown[]) => void lines.push(words.join(' ')));
  vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
  const { done } = (await import(/* @vite-ignore */ file)) as { readonly done: boolean };
  expect(done).toBe(true);
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(/^node-[0-9a-f]{10} says hello in 3 bytes$/);
  expect(lines[1]).toMatch(/^2 nodes; node-[0-9a-f]{10} leads$/);
});
