/** Where members are in the network, as each has told us with an answer to a ping. */
import type { Prng } from '@cluster/core';
import { type Coordinate, Vivaldi, type VivaldiCheckpoint } from './vivaldi.ts';

export interface CoordinatesCheckpoint {
  readonly vivaldi: VivaldiCheckpoint;
  readonly others: readonly (readonly [string, Coordinate])[];
}

export class Coordinates {
  readonly #vivaldi: Vivaldi;
  readonly #others = new Map<string, Coordinate>();

  constructor(prng: Prng) {
    this.#vivaldi = new Vivaldi(prng);
  }

  get own(): Coordinate {
    return this.#vivaldi.own;
  }

  of(member: string): Coordinate | undefined {
    return this.#others.get(member);
  }

  /** Moves ours by what was measured; false for a coordinate that cannot be. */
  measured(member: string, coordinate: Coordinate, roundTripSeconds: number): boolean {
    if (!this.#vivaldi.measured(member, coordinate, roundTripSeconds)) return false;
    this.#others.set(member, coordinate);
    return true;
  }

  forget(member: string): void {
    this.#others.delete(member);
    this.#vivaldi.forget(member);
  }

  checkpoint(): CoordinatesCheckpoint {
    return { vivaldi: this.#vivaldi.checkpoint(), others: [...this.#others] };
  }

  restore({ vivaldi, others }: CoordinatesCheckpoint): void {
    this.#vivaldi.restore(vivaldi);
    this.#others.clear();
    for (const [member, coordinate] of others) this.#others.set(member, coordinate);
  }
}
