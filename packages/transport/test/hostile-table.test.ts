/** The table of hostile peers is true: every row names tests that exist and run. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const folder = new URL('../', import.meta.url);
const rows = readFileSync(new URL('HOSTILE.md', folder), 'utf8')
  .split('\n')
  .map((line) => /^\|\s*([^|]+?)\s*\|\s*(\[`.+?)\s*\|$/.exec(line))
  .filter((match) => match !== null)
  .map(([, what = '', cell = '']) => ({ what, tests: cell.split('<br>') }));

/** Titles of the tests of a file that run: `it` and `it.each`, not `it.skip` and its like. */
function titlesOf(file: string): ReadonlySet<string> {
  const source = readFileSync(new URL(`test/${file}`, folder), 'utf8');
  const plain = source.matchAll(/\bit\(\s*(['"])((?:(?!\1).)+)\1/g);
  const cased = source.matchAll(/\bit\.each(?:<[^(]*>)?\([^)]*\)\(\s*(['"])((?:(?!\1).)+)\1/g);
  // Cases that are calls themselves: the title stands alone behind their end.
  const behind = source.matchAll(/\n {2}\]\)\(\s*(['"])((?:(?!\1).)+)\1/g);
  return new Set([...plain, ...cased, ...behind].map((match) => match[2] as string));
}

test('every kind of hostile peer has tests, and they exist', () => {
  expect(rows.length).toBeGreaterThanOrEqual(17);
  const missing = rows.flatMap(({ what, tests }) =>
    tests.filter((one) => {
      const [, file = '', title = ''] = /^\[`([\w.-]+)`\]\(test\/\1\): _(.+)_$/.exec(one) ?? [];
      return file === '' || !titlesOf(file).has(title) ? `${what}: ${one}` : null;
    }),
  );
  expect(missing).toEqual([]);
  expect(titlesOf('engine.test.ts').has('does what no test says')).toBe(false);
});
