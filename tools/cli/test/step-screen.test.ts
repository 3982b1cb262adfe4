import { describe, expect, it } from 'vitest';
import { decodeTrace } from '@cluster/core';
import { TraceCursor } from '@cluster/cli';
import { makePalette } from '../src/palette.ts';
import { readKeys } from '../src/step/keys.ts';
import { StepperScreen } from '../src/step/stepper-screen.ts';
import { clip } from '../src/step/terminal.ts';
import { toyTrace } from './toy-trace.ts';

const { header, records } = decodeTrace(toyTrace());

const screen = (): { press: (keys: string) => string; of: StepperScreen; all: () => string } => {
  const of = new StepperScreen(new TraceCursor(header, records), makePalette(false), {
    index: 0,
    filter: {},
  });
  const all = (): string => of.render(200).lines.join('\n');
  return {
    of,
    all,
    /** Presses and gives the heading and the footer. */
    press: (keys) => {
      for (const key of readKeys(keys)) of.press(key);
      const { lines, footer } = of.render(200);
      return `${lines[0]} | ${footer}`;
    },
  };
};

describe('the interactive stepper', () => {
  it('goes forward and back, one and ten, to both ends and not beyond', () => {
    const { of, press } = screen();
    expect(press('n \u001b[C')).toContain('step 4 of');
    expect(press('p\u001b[D')).toContain('step 2 of');
    expect(press(']')).toContain('step 12 of');
    expect(press('[')).toContain('step 2 of');
    expect(press('\u001b[Hp')).toMatch(/step 1 of .* This is the first step\./);
    expect(press('\u001b[Fn')).toMatch(/ This is the last step\./);
    expect(of.index).toBe(new TraceCursor(header, records).length - 1);
  });

  it('shows the same after going forth and back', () => {
    const { all, press } = screen();
    press('nnnn');
    const before = all();
    press(']]][[[nnppnp');
    press('g5\r');
    expect(all()).toBe(before);
  });

  it('jumps to a number, a cause and an effect, and says when there is none', () => {
    const { press } = screen();
    expect(press('c')).toContain('This input came from outside');
    expect(press('g3\r')).toContain('seq 3');
    expect(press('e')).toMatch(/seq 4 .*n2\/lamp:0/);
    expect(press('c')).toMatch(/seq 3 .*n1\/lamp:0/);
    expect(press('g999\r')).toContain('There is no step from 999 on.');
    expect(press('gx\r')).toContain('There is no step from x on.');
  });

  it('walks only what a filter by node, core or machine lets pass', () => {
    const { press } = screen();
    expect(press('fn2\r')).toMatch(/\(only n2\).*n2\/lamp:0/);
    expect(press('n')).toContain('n2/lamp:0');
    expect(press('ftoy.moth\r')).toContain('(only toy.moth)');
    expect(press('fnobody\r')).toContain('No step has a node, core or machine nobody.');
    expect(press('f\r')).not.toContain('(only');
    expect(press('fn1/lamp:0\r')).toContain('n1/lamp:0');
  });

  it('searches on from here, again, and says when nothing is left', () => {
    const { press } = screen();
    expect(press('/go_away\r')).toContain('n1/lamp:0');
    expect(press('N')).toContain('Nothing further on holds “go_away”.');
  });

  it('edits what is typed, and drops it on escape', () => {
    const { press } = screen();
    expect(press('g12')).toContain('go to seq: 12');
    expect(press('\u007f\u007f3')).toContain('go to seq: 3');
    expect(press('\u001b')).toContain('step 1 of');
    expect(press('g3\r')).toContain('seq 3');
  });

  it('scrolls what does not fit, and keeps to the height of the terminal', () => {
    const { of, press } = screen();
    const short = of.render(6);
    expect(short.lines).toHaveLength(5);
    expect(short.lines.at(-1)).toContain('more lines: j');
    press('n');
    for (let i = 0; i < 100; i++) of.press({ type: 'character', character: 'j' });
    expect(of.render(6).lines.at(-1)).toContain('toy.moth');
    press('p');
    expect(of.render(6).lines[0]).toContain('step 1 of');
  });

  it('ends on q and on Ctrl-C, also while asking', () => {
    const [asked, quit] = [screen(), screen()];
    asked.press('/q');
    expect(asked.of.quit).toBe(false);
    asked.press('\u0003');
    quit.press('q');
    expect([asked.of.quit, quit.of.quit]).toEqual([true, true]);
  });
});

describe('the keyboard', () => {
  it('gives names to sequences, also several at a time, and swallows those it does not know', () => {
    const names = readKeys('\u001b[C\u001b[5~a\u001b[15~\u001b[1;5Cb\u001bOA\u001b').map((key) =>
      key.type === 'named' ? key.name : key.character,
    );
    expect(names).toEqual(['right', 'pageUp', 'a', 'b', 'up', 'escape']);
  });
});

it('a line is cut to the width of the terminal, its colours not counted', () => {
  expect(clip('abcdef', 4)).toBe('abcd');
  expect(clip('\u001b[1mabc\u001b[22mdef', 4)).toBe('\u001b[1mabc\u001b[22md');
});
