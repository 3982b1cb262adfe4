/**
 * The order of probing: everybody once, in random order, then the order is shuffled (SWIM 4.3), which bounds the time until a
 * given member is probed. A newcomer enters at a random place of the round, so that not everybody probes it at once.
 */
import type { Prng } from '@cluster/core';

export interface RoundRobinCheckpoint {
  readonly names: readonly string[];
  readonly next: number;
}

export class RoundRobin {
  #names: string[] = [];
  #next = 0;

  get names(): readonly string[] {
    return this.#names;
  }

  insert(name: string, prng: Prng): void {
    const at = prng.below(this.#names.length + 1);
    this.#names.splice(at, 0, name);
    // Before the place we have reached: it has had its turn for this round, and nobody else loses or repeats theirs.
    if (at < this.#next) this.#next++;
  }

  remove(name: string): void {
    const at = this.#names.indexOf(name);
    if (at === -1) return;
    this.#names.splice(at, 1);
    if (at < this.#next) this.#next--;
  }

  /**
   * The next one that passes; undefined when none does.
   * @param onRoundEnd called before the order is shuffled; may remove.
   */
  take(passes: (name: string) => boolean, prng: Prng, onRoundEnd: () => void): string | undefined {
    // A round may be about to end when we look; after one more whole round everybody has been asked.
    for (let ends = 0; ;) {
      if (this.#next >= this.#names.length) {
        if (ends++ === 1) return undefined;
        onRoundEnd();
        prng.shuffle(this.#names);
        this.#next = 0;
        if (this.#names.length === 0) return undefined;
      }
      const name = this.#names[this.#next++] as string;
      if (passes(name)) return name;
    }
  }

  /** Up to `count` different ones that pass, at random. */
  sample(count: number, passes: (name: string) => boolean, prng: Prng): string[] {
    const total = this.#names.length;
    const picked: string[] = [];
    // Few: look at all of them, in random order. Many: draw, and give up after three times as many draws as there are.
    if (total <= 64) {
      for (const name of prng.shuffle([...this.#names])) {
        if (picked.length === count) break;
        if (passes(name)) picked.push(name);
      }
      return picked;
    }
    for (let draws = 0; draws < 3 * total && picked.length < count; draws++) {
      const name = this.#names[prng.below(total)] as string;
      if (!picked.includes(name) && passes(name)) picked.push(name);
    }
    return picked;
  }

  checkpoint(): RoundRobinCheckpoint {
    return { names: [...this.#names], next: this.#next };
  }

  restore({ names, next }: RoundRobinCheckpoint): void {
    this.#names = [...names];
    this.#next = next;
  }
}
