/** Bytes of a file, kept in pages so that a preallocated file of many megabytes costs what was written to it. */
const pageBytes = 4096;

export class Pages {
  #length = 0;
  readonly #pages = new Map<number, Uint8Array>();

  get length(): number {
    return this.#length;
  }

  read(offset: number, length: number): Uint8Array {
    const end = Math.min(this.#length, offset + length);
    const bytes = new Uint8Array(Math.max(0, end - offset));
    for (let at = offset; at < end;) {
      const within = at % pageBytes;
      const count = Math.min(pageBytes - within, end - at);
      const page = this.#pages.get((at - within) / pageBytes);
      if (page !== undefined) bytes.set(page.subarray(within, within + count), at - offset);
      at += count;
    }
    return bytes;
  }

  write(offset: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const at = offset + done;
      const within = at % pageBytes;
      const count = Math.min(pageBytes - within, bytes.length - done);
      const index = (at - within) / pageBytes;
      let page = this.#pages.get(index);
      if (page === undefined) this.#pages.set(index, (page = new Uint8Array(pageBytes)));
      page.set(bytes.subarray(done, done + count), within);
      done += count;
    }
    this.#length = Math.max(this.#length, offset + bytes.length);
  }

  /** Flips one bit. */
  flip(offset: number, bit: number): void {
    const [byte = 0] = this.read(offset, 1);
    this.write(offset, Uint8Array.of(byte ^ (1 << bit)));
  }

  /** Cuts the end off, or extends with zeros. */
  setLength(length: number): void {
    if (length < this.#length) {
      const within = length % pageBytes;
      const keep = Math.ceil(length / pageBytes);
      for (const index of this.#pages.keys()) if (index >= keep) this.#pages.delete(index);
      if (within > 0) this.#pages.get(keep - 1)?.fill(0, within);
    }
    this.#length = length;
  }

  copy(): Pages {
    const copy = new Pages();
    copy.#length = this.#length;
    for (const [index, page] of this.#pages) copy.#pages.set(index, page.slice());
    return copy;
  }
}
