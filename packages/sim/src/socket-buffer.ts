/** What waits in a socket for a process that does not get to it: bounded, as an operating system bounds it. */

// What Linux books for a small datagram beside its bytes.
export const datagramOverheadBytes = 768;

export class SocketBuffer {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** False when there is no room: what has come is lost. */
  take(bytes: number): boolean {
    if (this.#bytes + bytes > this.#bytesMax) return false;
    this.#bytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
  }
}
