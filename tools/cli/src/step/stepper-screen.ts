/** The interactive stepper without its terminal: keys in, lines out. */
import type { TraceStep } from '@cluster/core';
import { stringifyPlain } from '@cluster/core';
import type { Key } from './keys.ts';
import { type Palette, renderStep } from './render.ts';
import { passes, type StepFilter, type TraceCursor } from './trace-cursor.ts';

type Prompt = 'goto' | 'filter' | 'search';

export interface Screen {
  readonly lines: readonly string[];
  /** The last line: a prompt, a message or the keys. */
  readonly footer: string;
}

const help =
  '→/n next  ←/p back  ]/[ ten  g goto  c cause  e effect  / search (N again)  f filter  j/k scroll  q quit';
const prompts: Readonly<Record<Prompt, string>> = {
  goto: 'go to seq: ',
  filter: 'filter (node, node/core or machine; empty = all): ',
  search: 'search: ',
};

export class StepperScreen {
  readonly #cursor: TraceCursor;
  readonly #palette: Palette;
  #filter: (step: TraceStep) => boolean;
  #filterText: string;
  #index: number;
  #scroll = 0;
  #prompt: Prompt | null = null;
  #typed = '';
  #message = '';
  #needle = '';
  #quit = false;

  constructor(
    cursor: TraceCursor,
    palette: Palette,
    start: { readonly index: number; readonly filter: StepFilter },
  ) {
    this.#cursor = cursor;
    this.#palette = palette;
    this.#filter = (step) => passes(start.filter, step);
    this.#filterText = Object.values(start.filter).join(' ');
    this.#index = start.index;
  }

  get quit(): boolean {
    return this.#quit;
  }

  get index(): number {
    return this.#index;
  }

  press(key: Key): void {
    this.#message = '';
    if (key.type === 'named' && key.name === 'interrupt') this.#quit = true;
    else if (this.#prompt !== null) this.#edit(this.#prompt, key);
    else this.#command(key.type === 'named' ? key.name : key.character);
  }

  /** What fits the terminal. */
  render(rows: number): Screen {
    const visible = Math.max(1, rows - 1);
    const view = this.#cursor.view(this.#index);
    const lines = renderStep(view, this.#position(), this.#palette);
    this.#scroll = Math.max(0, Math.min(this.#scroll, lines.length - visible));
    const shown = lines.slice(this.#scroll, this.#scroll + visible);
    if (this.#scroll + visible < lines.length) {
      shown[visible - 1] = this.#palette.dim(`… ${lines.length - this.#scroll - visible + 1} more lines: j`);
    }
    const footer = this.#prompt !== null ? prompts[this.#prompt] + this.#typed : this.#message || help;
    return { lines: shown, footer };
  }

  #position(): string {
    const filter = this.#filterText === '' ? '' : ` (only ${this.#filterText})`;
    return `${this.#index + 1} of ${this.#cursor.length}${filter}`;
  }

  #command(key: string): void {
    switch (key) {
      case 'right':
      case 'n':
      case ' ':
        return this.#move(1, 1);
      case 'left':
      case 'p':
        return this.#move(-1, 1);
      case ']':
      case 'pageDown':
        return this.#move(1, 10);
      case '[':
      case 'pageUp':
        return this.#move(-1, 10);
      case 'home':
        return this.#move(-1, Infinity);
      case 'end':
        return this.#move(1, Infinity);
      case 'down':
      case 'j':
        this.#scroll++;
        return;
      case 'up':
      case 'k':
        this.#scroll--;
        return;
      case 'c':
        return this.#jump(
          this.#cursor.causeOf(this.#index),
          'This input came from outside, or its cause is not in the trace.',
        );
      case 'e':
        return this.#jump(
          this.#cursor.consequencesOf(this.#index)[0] ?? -1,
          'No recorded step follows from this one.',
        );
      case 'g':
        return this.#ask('goto');
      case 'f':
        return this.#ask('filter');
      case '/':
        return this.#ask('search');
      case 'N':
        return this.#search();
      case 'q':
        this.#quit = true;
        return;
      default:
        return;
    }
  }

  #move(direction: 1 | -1, count: number): void {
    let moved = 0;
    for (; moved < count; moved++) {
      const next = this.#cursor.next(this.#index, direction, this.#filter);
      if (next === -1) break;
      this.#show(next);
    }
    if (moved === 0) this.#message = direction === 1 ? 'This is the last step.' : 'This is the first step.';
  }

  /** Jumps may leave the filter: cause and effect cross nodes. */
  #jump(index: number, otherwise: string): void {
    if (index === -1) this.#message = otherwise;
    else this.#show(index);
  }

  #show(index: number): void {
    this.#index = index;
    this.#scroll = 0;
  }

  #ask(prompt: Prompt): void {
    this.#prompt = prompt;
    this.#typed = '';
  }

  #edit(prompt: Prompt, key: Key): void {
    if (key.type === 'character') this.#typed += key.character;
    else if (key.name === 'backspace') this.#typed = this.#typed.slice(0, -1);
    else if (key.name === 'escape') this.#prompt = null;
    else if (key.name === 'enter') {
      this.#prompt = null;
      this.#answer(prompt, this.#typed.trim());
    }
  }

  #answer(prompt: Prompt, text: string): void {
    switch (prompt) {
      case 'goto':
        return this.#jump(
          /^\d+$/.test(text) ? this.#cursor.indexOf(Number(text)) : -1,
          `There is no step from ${text} on.`,
        );
      case 'search':
        this.#needle = text === '' ? this.#needle : text.toLowerCase();
        return this.#search();
      case 'filter':
        return this.#applyFilter(text);
    }
  }

  #search(): void {
    if (this.#needle === '') return;
    const found = this.#cursor.next(
      this.#index,
      1,
      (step) => this.#filter(step) && stringifyPlain(step).toLowerCase().includes(this.#needle),
    );
    this.#jump(found, `Nothing further on holds “${this.#needle}”.`);
  }

  #applyFilter(text: string): void {
    const [node, core] = text.split('/');
    const choices: readonly StepFilter[] = [
      { node: text },
      ...(node !== undefined && core !== undefined ? [{ node, core }] : []),
      { core: text },
      { machine: text },
    ];
    const matches = (filter: StepFilter) => (step: TraceStep) => passes(filter, step);
    const fitting =
      text === '' ? {} : choices.find((filter) => this.#cursor.next(-1, 1, matches(filter)) !== -1);
    if (fitting === undefined) {
      this.#message = `No step has a node, core or machine ${text}.`;
      return;
    }
    this.#filter = matches(fitting);
    this.#filterText = text;
    const here = this.#cursor.step(this.#index);
    if (here && this.#filter(here)) return;
    const after = this.#cursor.next(this.#index, 1, this.#filter);
    this.#show(after === -1 ? this.#cursor.next(this.#index, -1, this.#filter) : after);
  }
}
