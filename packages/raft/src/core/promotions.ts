/**
 * When a staged learner becomes a voter (thesis 4.2.1): its log is brought up to date in rounds, each up to where the leader's log
 * ended when it began. A round that took less than an election timeout leaves so little to catch up that the new voter holds nothing
 * up for long. A learner that is silent ends no round.
 */
interface Round {
  readonly goal: number;
  readonly startedMs: number;
}

export interface PromotionsCheckpoint {
  readonly rounds: readonly (readonly [string, Round])[];
}

export class Promotions {
  readonly #roundMaxMs: number;
  readonly #rounds = new Map<string, Round>();

  constructor(roundMaxMs: number) {
    this.#roundMaxMs = roundMaxMs;
  }

  /** @returns one that has nearly caught up, or null. */
  next(
    staged: readonly string[],
    matchOf: (id: string) => number,
    lastIndex: number,
    nowMs: number,
  ): string | null {
    for (const id of this.#rounds.keys()) if (!staged.includes(id)) this.#rounds.delete(id);
    for (const id of staged) {
      const round = this.#rounds.get(id);
      const isOver = round !== undefined && matchOf(id) >= round.goal;
      if (isOver && nowMs - round.startedMs < this.#roundMaxMs) return id;
      if (isOver || round === undefined) this.#rounds.set(id, { goal: lastIndex, startedMs: nowMs });
    }
    return null;
  }

  /** The lead is over: the next leader begins anew. */
  end(): void {
    this.#rounds.clear();
  }

  checkpoint(): PromotionsCheckpoint {
    return { rounds: [...this.#rounds] };
  }

  restore({ rounds }: PromotionsCheckpoint): void {
    this.#rounds.clear();
    for (const [id, round] of rounds) this.#rounds.set(id, round);
  }
}
