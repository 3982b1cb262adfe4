/**
 * Where members are in the network, as each has told us with an answer to a ping: eleven numbers for each, in columns. As objects they
 * would take more than all else that is kept of a member.
 */
import type { Prng } from '@cluster/core';
import { Rows } from '../core/rows.ts';
import { type Coordinate, dimensions, Vivaldi, type VivaldiCheckpoint } from './vivaldi.ts';

export interface CoordinatesCheckpoint {
  readonly vivaldi: VivaldiCheckpoint;
  readonly others: readonly (readonly [string, Coordinate])[];
}

export class Coordinates {
  readonly #vivaldi: Vivaldi;
  /** One for each dimension, then error, adjustment and height. */
  readonly #columns: readonly number[][] = Array.from({ length: dimensions + 3 }, () => []);
  readonly #rows: Rows;

  constructor(prng: Prng, salt: number) {
    this.#vivaldi = new Vivaldi(prng);
    this.#rows = new Rows(salt, this.#columns);
  }

  get own(): Coordinate {
    return this.#vivaldi.own;
  }

  of(member: string): Coordinate | undefined {
    const row = this.#rows.find(member);
    return row === -1 ? undefined : this.#at(row);
  }

  /** Moves ours by what was measured; false for a coordinate that cannot be. */
  measured(member: string, coordinate: Coordinate, roundTripSeconds: number): boolean {
    if (!this.#vivaldi.measured(member, coordinate, roundTripSeconds)) return false;
    this.#keep(member, coordinate);
    return true;
  }

  forget(member: string): void {
    this.#rows.remove(member);
    this.#vivaldi.forget(member);
  }

  checkpoint(): CoordinatesCheckpoint {
    const others = this.#rows.names.map((member, row) => [member, this.#at(row)] as const);
    return { vivaldi: this.#vivaldi.checkpoint(), others };
  }

  restore({ vivaldi, others }: CoordinatesCheckpoint): void {
    this.#vivaldi.restore(vivaldi);
    this.#rows.clear();
    for (const [member, coordinate] of others) this.#keep(member, coordinate);
  }

  #at(row: number): Coordinate {
    const numbers = this.#columns.map((column) => column[row] as number);
    const [error = 0, adjustment = 0, height = 0] = numbers.slice(dimensions);
    return { vec: numbers.slice(0, dimensions), error, adjustment, height };
  }

  #keep(member: string, { vec, error, adjustment, height }: Coordinate): void {
    const known = this.#rows.find(member);
    const row = known === -1 ? this.#rows.add(member) : known;
    // With every answer to a ping: no lists are made for it.
    const put = (column: number, value: number): void => {
      (this.#columns[column] as number[])[row] = value;
    };
    for (let i = 0; i < dimensions; i++) put(i, vec[i] as number);
    put(dimensions, error);
    put(dimensions + 1, adjustment);
    put(dimensions + 2, height);
  }
}
