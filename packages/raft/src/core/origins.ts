/**
 * What a leader remembers of the proposals that others forwarded to it in its term, so that one which arrives twice (sent again, or
 * duplicated by the network) is put into the log once. Bounded per sender: what fell out is answered `unknown`, never taken again.
 */
import type { Verdict } from './types.ts';

interface Origin {
  readonly boot: number;
  /** Everything up to here has fallen out. */
  floor: number;
  /** By ref, oldest first; null until there is a verdict. */
  readonly verdicts: Map<number, Verdict | null>;
}

export interface OriginsCheckpoint {
  readonly term: number;
  readonly forgottenTerm: number;
  readonly origins: readonly {
    readonly node: string;
    readonly boot: number;
    readonly floor: number;
    readonly verdicts: readonly (readonly [number, Verdict | null])[];
  }[];
}

export class Origins {
  readonly #remembered: number;
  readonly #origins = new Map<string, Origin>();
  // The leadership that is remembered.
  #term = 0;
  // Leaderships up to here may have been those of an incarnation before.
  #forgottenTerm = 0;

  constructor(remembered: number) {
    this.#remembered = remembered;
  }

  /** A new incarnation, which knows nothing of its leaderships up to this term. */
  start(term: number): void {
    this.#forgottenTerm = term;
  }

  /** A leadership begins. */
  lead(term: number): void {
    this.#forgottenTerm = Math.max(this.#forgottenTerm, this.#term);
    this.#term = term;
    this.#origins.clear();
  }

  /**
   * The verdict on a proposal meant for this node as the leader of `term`, which it is not or no longer; null while it is in the
   * log without one. `notLeader` is said only when it certainly was not taken then.
   */
  afterwards(node: string, boot: number, ref: number, term: number): Verdict | null {
    if (term <= this.#forgottenTerm) return { status: 'unknown' };
    const origin = this.#origins.get(node);
    if (term !== this.#term || origin === undefined) return { status: 'notLeader' };
    if (origin.boot !== boot) return { status: 'unknown' };
    const known = origin.verdicts.get(ref);
    if (known !== undefined) return known;
    return { status: ref <= origin.floor ? 'unknown' : 'notLeader' };
  }

  /** @returns `fresh` for a proposal seen for the first time, else its verdict so far. */
  note(node: string, boot: number, ref: number): 'fresh' | Verdict | null {
    let origin = this.#origins.get(node);
    if (origin?.boot !== boot) {
      origin = { boot, floor: 0, verdicts: new Map() };
      this.#origins.set(node, origin);
    }
    const known = origin.verdicts.get(ref);
    if (known !== undefined) return known;
    if (ref <= origin.floor) return { status: 'unknown' };
    origin.verdicts.set(ref, null);
    if (origin.verdicts.size > this.#remembered) {
      const [oldest] = origin.verdicts.keys();
      if (oldest !== undefined) {
        origin.verdicts.delete(oldest);
        origin.floor = Math.max(origin.floor, oldest);
      }
    }
    return 'fresh';
  }

  decide(node: string, boot: number, ref: number, verdict: Verdict): void {
    const origin = this.#origins.get(node);
    if (origin?.boot === boot && origin.verdicts.has(ref)) origin.verdicts.set(ref, verdict);
  }

  checkpoint(): OriginsCheckpoint {
    const origins = [...this.#origins].map(([node, { boot, floor, verdicts }]) => ({
      node,
      boot,
      floor,
      verdicts: [...verdicts],
    }));
    return { term: this.#term, forgottenTerm: this.#forgottenTerm, origins };
  }

  restore({ term, forgottenTerm, origins }: OriginsCheckpoint): void {
    this.#term = term;
    this.#forgottenTerm = forgottenTerm;
    this.#origins.clear();
    for (const { node, boot, floor, verdicts } of origins) {
      this.#origins.set(node, { boot, floor, verdicts: new Map(verdicts) });
    }
  }
}
