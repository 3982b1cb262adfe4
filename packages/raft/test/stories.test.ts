/** The stories of `test/stories`, told again: each must go as its record says. `pnpm test --no-check -u stories` writes the records. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { tell } from './support/story.ts';

const folder = join(import.meta.dirname, 'stories');
const guide = join(import.meta.dirname, '../../../docs/guides/developing.md');
const stories = readdirSync(folder)
  .sort()
  .map((file) => {
    const path = join(folder, file);
    const text = readFileSync(path, 'utf8');
    // The first line says what happens.
    return { path, text, title: text.slice(0, text.indexOf('\n')) };
  });

describe('a story', () => {
  it.each(stories.map(({ title, path, text }) => [title, path, text] as const))(
    '%s',
    async (_title, path, text) => {
      await expect(tell(text)).toMatchFileSnapshot(path);
    },
  );

  it('does not hold when a line of its record was edited, is missing, or was put in', () => {
    for (const [i, { text }] of stories.slice(0, 6).entries()) {
      const story = tell(text);
      const line = `${story.split('\n').findLast((one) => one.startsWith('  '))}\n`;
      const edits = [line.replace('term', 'turn').replace(/\d+/, '0'), '', `${line}${line}`];
      const edited = story.replace(line, () => edits[i % edits.length] ?? '');
      expect(edited).not.toBe(story);
      expect(tell(edited)).toBe(story);
    }
  });

  it('says which command it does not know, or cannot carry out', () => {
    expect(() => tell('> group a\n> a dances')).toThrow('"> a dances"');
    expect(() => tell('> a proposes x')).toThrow('begins with a group');
    expect(() => tell('> group a\n> crash b')).toThrow('there is no b');
    expect(() => tell('> group a b\n> cut a | b\n> until a leads')).toThrow('10 s');
  });
});

describe('the stories', () => {
  it('are at least 25, each with a title of its own', () => {
    expect(stories.length).toBeGreaterThanOrEqual(25);
    expect(new Set(stories.map(({ title }) => title)).size).toBe(stories.length);
  });

  it('are written as the guide says: its example is one', () => {
    const example = /```txt\n([^`]*)```/.exec(readFileSync(guide, 'utf8'))?.[1] ?? '';
    expect(example).toContain('> group');
    expect(tell(example)).toBe(example);
  });
});
