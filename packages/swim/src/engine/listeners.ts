/** Those who want to be told, each in turn; who ends its subscription while being told is not told again. */
export class Listeners<T> {
  readonly #listeners = new Set<(event: T) => void>();

  /** @returns ends the subscription. */
  add(listener: (event: T) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  tell(event: T): void {
    for (const listener of this.#listeners) listener(event);
  }
}
