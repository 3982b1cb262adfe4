/** What a stream has read and lends until it has been looked at: what is to stay is copied, from there on all at once. */
const none = new Uint8Array(0);

export class Reading {
  #bytes: Uint8Array = none;
  #copy: Uint8Array = none;
  /** Where in `bytes` the copy begins. */
  #from = 0;

  begin(bytes: Uint8Array): void {
    this.#bytes = bytes;
  }

  /** A part of it, behind all that were kept before, for longer than it is lent. Anything else stays as it is. */
  keep(part: Uint8Array): Uint8Array {
    const bytes = this.#bytes;
    if (part.buffer !== bytes.buffer || part.length === 0) return part;
    const at = part.byteOffset - bytes.byteOffset;
    if (this.#copy === none) {
      this.#from = at;
      this.#copy = bytes.slice(at);
    }
    return this.#copy.subarray(at - this.#from, at - this.#from + part.length);
  }

  /** It is the stream's again. */
  end(): void {
    this.#bytes = none;
    this.#copy = none;
  }
}
