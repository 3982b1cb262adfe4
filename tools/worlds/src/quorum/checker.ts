/**
 * Never two sides that both hold quorum, after every step:
 *
 * - whoever holds quorum and has taken over from a life knows that this life does not hold it;
 * - where members grant, two nodes never both hold it when for longer than a grant counts nobody has been in touch with both.
 *
 * keep-majority promises neither; how often it ends up with two sides is counted instead.
 */
import type { QuorumEngine, Strategy } from '@cluster/swim';
import type { World } from '@cluster/sim';

export interface QuorumCheckerOptions {
  readonly strategy: Strategy;
  /** Longest that a side may hold quorum after it was cut off. */
  readonly graceMs: number;
  /** From then on both sides of a cut have decided. */
  readonly decidedMs: number;
}

// Connectivity is recomputed so often, in virtual time: faults come seldom compared to messages.
const lookMs = 5;

export class QuorumChecker {
  readonly #world: World;
  readonly #options: QuorumCheckerOptions;
  readonly #engines = new Map<string, QuorumEngine>();
  /** When there was last a path between two nodes. */
  readonly #togetherAtMs = new Map<string, number>();
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
    const isDue = this.#world.nowMs - this.#lookedAtMs >= lookMs;
    const engines = [...this.#engines];
    if (!isDue && engines.every(([, { taken }]) => taken.length === 0)) return;
    const holders = engines.filter(([name, engine]) => this.#world.isUp(name) && engine.holdsQuorum);
    this.#checkTakenOver(holders);
    if (!isDue) return;
    this.#lookedAtMs = this.#world.nowMs;
    this.#followCuts();
    this.#checkCutOff(holders);
  }

  #checkTakenOver(holders: readonly (readonly [string, QuorumEngine])[]): void {
    for (const [name, engine] of holders) {
      if (engine.taken.length === 0) continue;
      const taken = new Set(engine.taken);
      const other = holders.find(([owner, { boot }]) => owner !== name && taken.has(`${owner}/${boot}`));
      if (other !== undefined)
        this.#world.fail(
          'who was taken over from does not hold quorum',
          `${name} has taken over from ${other[0]}/${other[1].boot} at roster ${engine.roster.epoch}; both hold`,
        );
    }
  }

  #checkCutOff(holders: readonly (readonly [string, QuorumEngine])[]): void {
    const { strategy, graceMs, decidedMs } = this.#options;
    // Until it has been decided, both sides of a cut go on under the same lease, and neither takes anything from the other.
    if (strategy === 'lease-majority') return;
    const limitMs = strategy === 'keep-majority' ? decidedMs : graceMs;
    for (const [a, one] of holders)
      for (const [b, other] of holders) {
        if (a >= b || this.#shareAMember(a, b, limitMs)) continue;
        if (strategy !== 'keep-majority')
          return this.#world.fail(
            'two sides never both hold quorum',
            `under ${strategy} ${a} (roster ${one.roster.epoch}, ${one.partition}) and ${b} (roster ${other.roster.epoch}, ${other.partition}) both hold it, and for ${limitMs} ms nobody was in touch with both`,
          );
        if (!this.#isSplit) this.#world.counters.add('keepMajoritySplits');
        this.#isSplit = true;
      }
  }

  /** Whether anybody, one of the two included, has been in touch with both within this time. */
  #shareAMember(a: string, b: string, withinMs: number): boolean {
    const isRecent = (name: string, other: string): boolean =>
      name === other ||
      this.#world.nowMs - (this.#togetherAtMs.get(`${name} ${other}`) ?? -Infinity) <= withinMs;
    return this.#world.nodes.some((name) => isRecent(name, a) && isRecent(name, b));
  }

  #followCuts(): void {
    const names = this.#world.nodes.filter((name) => this.#world.isUp(name));
    const sideOf = new Map<string, number>();
    for (const [index, name] of names.entries())
      if (!sideOf.has(name)) this.#flood(name, names, sideOf, index);
    for (const a of names)
      for (const b of names)
        if (sideOf.get(a) === sideOf.get(b)) this.#togetherAtMs.set(`${a} ${b}`, this.#world.nowMs);
  }

  /** Nodes connected in either direction, by whatever detour, are on one side. */
  #flood(from: string, names: readonly string[], sideOf: Map<string, number>, side: number): void {
    sideOf.set(from, side);
    for (const name of names)
      if (!sideOf.has(name) && (this.#world.reaches(from, name) || this.#world.reaches(name, from)))
        this.#flood(name, names, sideOf, side);
  }
}
