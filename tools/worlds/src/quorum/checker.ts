/**
 * Never two sides that both hold quorum, after every step:
 *
 * - whoever holds quorum and has taken over from a life knows that this life does not hold it;
 * - where members grant, or the coordinator is a node, two nodes never both hold it when for longer than a grant or a lease counts
 *   nobody has been in touch with both;
 * - under a lease from outside, which both sides of a cut reach, they do not for longer than it takes to decide.
 *
 * keep-majority promises none of them; how often it ends up with two sides is counted instead.
 */
import type { QuorumEngine } from '@cluster/swim';
import type { World } from '@cluster/sim';

export interface QuorumCheckerOptions {
  /** Names what is checked. */
  readonly strategy: string;
  /** Longest that a grant or a lease counts after nobody has been in touch with both. */
  readonly graceMs: number;
  /** Longest that two then may both hold quorum. */
  readonly decidedMs: number;
  /** Two sides are counted, and are no failure. */
  readonly isBestEffort: boolean;
}

// Who has been in touch with whom is recomputed so often, in virtual time: links change seldom compared to messages.
const lookMs = 5;

export class QuorumChecker {
  readonly #world: World;
  readonly #options: QuorumCheckerOptions;
  readonly #engines = new Map<string, QuorumEngine>();
  /** When there was last a path between two nodes. */
  readonly #togetherAtMs = new Map<string, number>();
  /** Pairs that nobody has been in touch with for the grace. */
  #apart: readonly (readonly [string, string])[] = [];
  /** Since when both of such a pair hold quorum. */
  readonly #bothSinceMs = new Map<string, number>();
  #lookedAtMs = -Infinity;
  #isSplit = false;

  constructor(world: World, options: QuorumCheckerOptions) {
    this.#world = world;
    this.#options = options;
    world.onStep(() => this.#look());
  }

  started(node: string, engine: QuorumEngine): void {
    this.#engines.set(node, engine);
  }

  gone(node: string): void {
    this.#engines.delete(node);
  }

  #look(): void {
    if (this.#world.nowMs - this.#lookedAtMs >= lookMs) this.#followCuts();
    for (const [name, engine] of this.#engines)
      if (engine.taken.length > 0 && this.#holds(name)) this.#checkTakenOver(name, engine);
    for (const [a, b] of this.#apart) this.#checkApart(a, b);
  }

  #checkApart(a: string, b: string): void {
    const pair = `${a} ${b}`;
    if (!this.#holds(a) || !this.#holds(b)) return void this.#bothSinceMs.delete(pair);
    const { nowMs } = this.#world;
    const sinceMs = this.#bothSinceMs.get(pair) ?? nowMs;
    this.#bothSinceMs.set(pair, sinceMs);
    if (nowMs - sinceMs >= this.#options.decidedMs) this.#twoSides(a, b);
  }

  #holds(name: string): boolean {
    return this.#world.isUp(name) && this.#engines.get(name)?.holdsQuorum === true;
  }

  #checkTakenOver(name: string, { taken, roster }: QuorumEngine): void {
    for (const life of taken) {
      const owner = life.slice(0, life.indexOf('/'));
      if (owner === name || !this.#holds(owner) || `${owner}/${this.#engines.get(owner)?.boot}` !== life)
        continue;
      this.#world.fail(
        'who was taken over from does not hold quorum',
        `${name} has taken over from ${life} at roster ${roster.epoch}; both hold`,
      );
    }
  }

  #twoSides(a: string, b: string): void {
    // A link may have returned since the last look.
    this.#followCuts();
    if (this.#shareAMember(a, b)) return;
    const { strategy, graceMs, decidedMs, isBestEffort } = this.#options;
    if (!isBestEffort)
      return this.#world.fail(
        'two sides never both hold quorum',
        `under ${strategy} ${this.#show(a)} and ${this.#show(b)} both hold it for ${decidedMs} ms, and for ${graceMs} ms more nobody was in touch with both`,
      );
    if (!this.#isSplit) this.#world.counters.add('keepMajoritySplits');
    this.#isSplit = true;
  }

  #show(name: string): string {
    const engine = this.#engines.get(name);
    return `${name} (roster ${engine?.roster.epoch}, ${engine?.partition})`;
  }

  /** Whether anybody, one of the two included, has been in touch with both within the grace. */
  #shareAMember(a: string, b: string): boolean {
    const isRecent = (name: string, other: string): boolean =>
      name === other ||
      this.#world.nowMs - (this.#togetherAtMs.get(`${name} ${other}`) ?? -Infinity) <= this.#options.graceMs;
    return this.#world.nodes.some((name) => isRecent(name, a) && isRecent(name, b));
  }

  #followCuts(): void {
    this.#lookedAtMs = this.#world.nowMs;
    const names = this.#world.nodes.filter((name) => this.#world.isUp(name));
    const sideOf = new Map<string, number>();
    for (const [index, name] of names.entries())
      if (!sideOf.has(name)) this.#flood(name, names, sideOf, index);
    for (const a of names)
      for (const b of names)
        if (sideOf.get(a) === sideOf.get(b)) this.#togetherAtMs.set(`${a} ${b}`, this.#world.nowMs);
    this.#apart = names.flatMap((a) =>
      names.filter((b) => a < b && !this.#shareAMember(a, b)).map((b) => [a, b] as const),
    );
    const apart = new Set(this.#apart.map(([a, b]) => `${a} ${b}`));
    for (const pair of this.#bothSinceMs.keys()) if (!apart.has(pair)) this.#bothSinceMs.delete(pair);
  }

  /** Nodes connected in either direction, by whatever detour, are on one side. */
  #flood(from: string, names: readonly string[], sideOf: Map<string, number>, side: number): void {
    sideOf.set(from, side);
    for (const name of names)
      if (!sideOf.has(name) && (this.#world.reaches(from, name) || this.#world.reaches(name, from)))
        this.#flood(name, names, sideOf, side);
  }
}
