/**
 * Stands between a replica and its storage and remembers what the storage has called durable. After a restart, all of it must be
 * there: that is what a flush is for, so each flush that is missing shows here.
 */
import type { Done } from '@cluster/core';
import type { World } from '@cluster/sim';
import type { HardState, LogBase, LogStorage, LogWrite, RecoveredLog } from '@cluster/raft';
import type { DurableView } from './views.ts';

/** One replica's storage over all of its incarnations. */
export class DurabilityWitness implements DurableView {
  readonly #world: World;
  readonly #node: string;
  /** Terms of the entries that are durable, by index; place 0 is unused. */
  #terms: number[] = [0];
  #hardState: HardState = { term: 0, vote: null };
  /** What the log on the disk begins behind. */
  #base: LogBase = { index: 0, term: 0 };
  #pendingBases: LogBase[] = [];
  /** Lowest index that a write under way may have cut off. */
  #truncating: { readonly after: number }[] = [];
  #pendingVotes: HardState[] = [];
  version = 0;

  constructor(world: World, node: string) {
    this.#world = world;
    this.#node = node;
  }

  termAt(index: number): number | undefined {
    return this.#terms[index];
  }

  get lastIndex(): number {
    return this.#terms.length - 1;
  }

  get coveredIndex(): number {
    return this.#base.index;
  }

  watch(storage: LogStorage): LogStorage {
    return {
      recover: (groupId, done) => {
        storage.recover(groupId, (outcome) => {
          if (outcome.ok) this.#recovered(outcome.value);
          done(outcome);
        });
      },
      write: (groupId, write, done) => this.#write(storage, groupId, write, done),
    };
  }

  #write(storage: LogStorage, groupId: number, write: LogWrite, done: Done<void>): void {
    const cut = write.truncateAfter === null ? null : { after: write.truncateAfter };
    if (cut !== null) this.#truncating.push(cut);
    if (write.base !== null) this.#pendingBases.push(write.base);
    if (write.hardState !== null) this.#pendingVotes.push(write.hardState);
    storage.write(groupId, write, (outcome) => {
      if (outcome.ok) this.#written(write, cut);
      done(outcome);
    });
  }

  #written(
    { hardState, base, truncateAfter, entries }: LogWrite,
    cut: { readonly after: number } | null,
  ): void {
    this.version++;
    if (cut !== null) this.#truncating = this.#truncating.filter((other) => other !== cut);
    if (base !== null) {
      this.#pendingBases = this.#pendingBases.filter((pending) => pending !== base);
      this.#begin(base);
    }
    if (truncateAfter !== null) this.#terms.length = Math.min(this.#terms.length, truncateAfter + 1);
    for (const { index, term } of entries) this.#terms[index] = term;
    if (hardState !== null) {
      this.#hardState = hardState;
      this.#pendingVotes = this.#pendingVotes.filter((pending) => pending !== hardState);
    }
  }

  #begin(base: LogBase): void {
    if (this.#terms[base.index] !== base.term) this.#terms = [];
    this.#terms[base.index] = base.term;
    this.#base = base;
  }

  #recovered({ hardState, base, entries }: RecoveredLog): void {
    this.version++;
    // A write under way may have taken effect.
    for (const begun of this.#pendingBases) if (begun.index <= base.index) this.#begin(begun);
    if (base.index !== this.#base.index || base.term !== this.#base.term) {
      this.#fail(`a log behind ${this.#base.index} was durable, and one behind ${base.index} came back`);
    }
    const { term, vote } = this.#hardState;
    const pending = this.#pendingVotes.some(
      (one) => one.term === hardState.term && one.vote === hardState.vote,
    );
    if (!pending && (hardState.term !== term || hardState.vote !== vote)) {
      this.#fail(
        `term ${term} and vote ${String(vote)} were durable, and term ${hardState.term} and vote ${String(hardState.vote)} came back`,
      );
    }
    // A truncation under way may have taken effect, alone or with what replaced it.
    const safe = this.#truncating.reduce((least, { after }) => Math.min(least, after), Infinity);
    for (let index = base.index + 1; index < this.#terms.length && index <= safe; index++) {
      const found = entries[index - base.index - 1]?.term;
      if (found !== this.#terms[index]) {
        this.#fail(
          `entry ${index} of term ${String(this.#terms[index])} was durable, and came back with term ${String(found)}`,
        );
        return;
      }
    }
    // What came back is on the disk, whether it had been reported or not.
    this.#terms.length = base.index + 1;
    for (const { index, term } of entries) this.#terms[index] = term;
    this.#pendingBases = [];
    this.#hardState = hardState;
    this.#truncating = [];
    this.#pendingVotes = [];
  }

  #fail(detail: string): void {
    this.#world.fail('what is durable survives a restart', `${this.#node}: ${detail}`);
  }
}
