/** A Lamport clock: never behind anything it has witnessed, so that what is said later bears a later time. */
export class LamportClock {
  #time = 1;

  get time(): number {
    return this.#time;
  }

  increment(): number {
    return ++this.#time;
  }

  witness(time: number): void {
    if (time >= this.#time) this.#time = time + 1;
  }

  /** A time so far ahead would end the clock's range: nothing later could ever be said. */
  isAbsurd(time: number): boolean {
    return time > this.#time + jumpMax;
  }

  restore(time: number): void {
    this.#time = time;
  }
}

const jumpMax = 2 ** 32;
