/** The appends a follower has not answered yet: bounded in number and bytes, and freed by cumulative acknowledgements. */
interface Flight {
  readonly lastIndex: number;
  readonly bytes: number;
}

export class Window {
  #flights: Flight[] = [];
  #bytes = 0;

  get messages(): number {
    return this.#flights.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(lastIndex: number, bytes: number): void {
    this.#flights.push({ lastIndex, bytes });
    this.#bytes += bytes;
  }

  /** Everything up to `match` has arrived. */
  release(match: number): void {
    let count = 0;
    for (const flight of this.#flights) {
      if (flight.lastIndex > match) break;
      this.#bytes -= flight.bytes;
      count++;
    }
    if (count > 0) this.#flights.splice(0, count);
  }

  clear(): void {
    this.#flights = [];
    this.#bytes = 0;
  }

  checkpoint(): readonly Flight[] {
    return [...this.#flights];
  }

  restore(flights: readonly Flight[]): void {
    this.clear();
    for (const { lastIndex, bytes } of flights) this.add(lastIndex, bytes);
  }
}
