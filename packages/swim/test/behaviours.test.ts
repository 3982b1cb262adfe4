/** The table of behaviours is true: every row names tests that exist and run, or says why there can be none. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const folder = new URL('../', import.meta.url);
const table = readFileSync(new URL('BEHAVIOURS.md', folder), 'utf8');
const rows = table
  .split('\n')
  .map((line) => /^\|\s*(\d+)\s*\|\s*(.+?)\s*\|\s*(.+?)\s*\|$/.exec(line))
  .filter((match) => match !== null)
  .map(([, number, behaviour, tests]) => ({
    number: Number(number),
    behaviour: behaviour as string,
    tests: tests as string,
    named: [...(tests as string).matchAll(/\[`([\w.]+)`\]\(test\/\1\): _(.+?)_(?=<br>|$|\))/g)].map(
      ([, file, title]) => ({ file: file as string, title: title as string }),
    ),
  }));

/** Titles of the tests of a file that run: `it` and `it.each`, not `it.skip` and its like. */
function titlesOf(file: string): ReadonlySet<string> {
  const source = readFileSync(new URL(`test/${file}`, folder), 'utf8');
  const plain = [...source.matchAll(/\bit\(\s*(['"])((?:(?!\1).)+)\1/g)].map((match) => match[2] as string);
  // The title stands behind the cases.
  const each = [...source.matchAll(/\n[ ]*\]\)\(\s*(['"])((?:(?!\1).)+)\1/g)].map(
    (match) => match[2] as string,
  );
  return new Set([...plain, ...each]);
}

describe('the table of behaviours', () => {
  it('has the fifty-four, each once', () => {
    expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: 54 }, (_, i) => i + 1));
    expect(rows.filter(({ behaviour }) => behaviour.length < 10)).toEqual([]);
  });

  it('names a test for each, but for those that cannot exist on this wire', () => {
    const without = rows.filter(({ named, tests }) => named.length === 0 || tests.startsWith('cannot exist'));
    expect(without.map(({ number }) => number)).toEqual([54]);
    for (const { named, tests } of rows.filter((row) => !without.includes(row)))
      expect(tests.split('<br>')).toHaveLength(named.length);
    for (const { tests } of without) expect(tests).toMatch(/^cannot exist on memberlist's wire: .{50}/);
  });

  it('names tests that exist', () => {
    const files = new Set(readdirSync(new URL('test/', folder)));
    const missing = rows.flatMap(({ number, named }) =>
      named
        .filter(({ file, title }) => !files.has(file) || !titlesOf(file).has(title))
        .map(({ file, title }) => `${number}: ${file}: ${title}`),
    );
    expect(missing).toEqual([]);
    expect(titlesOf('behaviour.test.ts').has('does what no test says')).toBe(false);
  });
});
