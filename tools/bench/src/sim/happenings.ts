/** What goes on in a pool while it is measured: one dies, one says something to all, one comes. All of it must get about. */
import type { SwimPool } from './pool.ts';

// Shares of the time: the death first, because it takes longest to be known.
const [killAt, sayAt, comeAt] = [1 / 6, 1 / 3, 1 / 2];
const newcomer = 'newcomer';

export class Happenings {
  readonly #pool: SwimPool;
  readonly #victim: string;
  readonly #buriedBy = new Set<string>();
  readonly #heardBy = new Set<string>();
  #deaths = 0;

  /** @param durationMs within which it all happens, from now on. */
  constructor(pool: SwimPool, durationMs: number) {
    this.#pool = pool;
    const { world, names, engines } = pool;
    // Never the first: it is everybody's seed.
    const [victim = '', speaker = ''] = world.prng.shuffle(names.slice(1));
    this.#victim = victim;
    pool.onEvent((observer, { type, member }) => {
      if (type !== 'Dead') return;
      this.#deaths++;
      if (member.name === victim) this.#buriedBy.add(observer);
    });
    for (const [name, engine] of engines) engine.onUserEvent(() => this.#heardBy.add(name));
    world.after(durationMs * killAt, () => pool.kill(victim));
    world.after(durationMs * sayAt, () => engines.get(speaker)?.sendEvent('said', new Uint8Array(64)));
    world.after(durationMs * comeAt, () => pool.add(newcomer));
  }

  /** What should be known to all by the end, and is not. */
  get missing(): readonly string[] {
    const { engines } = this.#pool;
    const there = [...engines.keys()];
    const witnesses = there.filter((name) => name !== newcomer);
    const lacking = (what: string, who: readonly string[]): string[] =>
      who.length === 0 ? [] : [`${what}: not by ${who.length}, ${who[0]} among them`];
    return [
      ...lacking('the newcomer is there', engines.has(newcomer) ? [] : [newcomer]),
      ...lacking(
        'all that run are listed alive',
        there.filter((name) => engines.get(name)?.counts.alive !== there.length - 1),
      ),
      ...lacking(
        `the death of ${this.#victim} is told`,
        witnesses.filter((name) => !this.#buriedBy.has(name)),
      ),
      ...lacking(
        'what was said is heard',
        witnesses.filter((name) => !this.#heardBy.has(name)),
      ),
      ...(this.#deaths > this.#buriedBy.size ? ['nobody else is declared dead'] : []),
    ];
  }
}
