/**
 * The rows of a table of members, as columns: an array of plain numbers or of pointers takes eight bytes for each, where an object
 * would take its head and its boxed numbers beside. The columns are the owner's; here are the names, the codes of the machines'
 * states, and the order, which is that in which the rows came.
 */
import type { StateColumn } from '@cluster/core';
import { NameIndex } from './name-index.ts';

const noCode = -1;

export class Rows {
  readonly names: string[] = [];
  readonly #codes: number[] = [];
  readonly #columns: readonly unknown[][];
  readonly #index: NameIndex;

  /** @param columns the owner's: it adds to them, and what leaves leaves all of them. */
  constructor(salt: number, columns: readonly unknown[][]) {
    this.#columns = [this.names, this.#codes, ...columns];
    this.#index = new NameIndex(this.names, salt);
  }

  get size(): number {
    return this.names.length;
  }

  /** The row of a name, or -1; it moves up when one before it is removed. */
  find(name: string): number {
    return this.#index.find(name);
  }

  /** @returns the new row, the last. */
  add(name: string): number {
    this.names.push(name);
    this.#codes.push(noCode);
    this.#index.added();
    return this.size - 1;
  }

  remove(name: string): void {
    const row = this.find(name);
    if (row === -1) return;
    for (const column of this.#columns) column.splice(row, 1);
    this.#index.rebuild();
  }

  clear(): void {
    for (const column of this.#columns) column.length = 0;
    this.#index.rebuild();
  }

  /** For the table of machines, which has no names of its own then. */
  readonly codes: StateColumn = {
    get: (name) => {
      const code = this.#codes[this.find(name)];
      return code === noCode ? undefined : code;
    },
    set: (name, code) => {
      this.#codes[this.find(name)] = code;
    },
    delete: (name) => {
      const row = this.find(name);
      if (row !== -1) this.#codes[row] = noCode;
    },
    clear: () => void this.#codes.fill(noCode),
    entries: () =>
      this.names
        .map((name, row) => [name, this.#codes[row] as number] as const)
        .filter(([, code]) => code !== noCode),
  };
}
