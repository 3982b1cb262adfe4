import { MutationWorker } from './mutation-worker.ts';

/** A few workers that share a queue. */
export class WorkerPool implements Disposable {
  readonly #workers: readonly MutationWorker[];

  constructor(root: string, size: number) {
    this.#workers = Array.from({ length: size }, () => new MutationWorker(root));
  }

  /** Handles every item, in order of arrival, one per worker at a time. The first error ends it. */
  async each<T>(
    items: readonly T[],
    handle: (item: T, worker: MutationWorker) => Promise<void>,
  ): Promise<void> {
    let next = 0;
    await Promise.all(
      this.#workers.map(async (worker) => {
        for (let item = items[next++]; item !== undefined; item = items[next++]) await handle(item, worker);
      }),
    );
  }

  [Symbol.dispose](): void {
    for (const worker of this.#workers) worker[Symbol.dispose]();
  }
}
