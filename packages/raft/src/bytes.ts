/** Little-endian writing and bounds-checked reading, shared by the wire and the write-ahead log. */

// Integers beyond this are no index, term or sequence anybody reaches; refusing them keeps sums exact.
export const integerMax = 2 ** 52;

const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder('utf-8', { fatal: true });

export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  get capacity(): number {
    return this.#bytes.length;
  }

  /** What has been written; valid until the next write or reset. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** What has been written, as a copy that lasts. */
  take(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  reset(): void {
    this.#length = 0;
  }

  u8(value: number): void {
    // The place first: making room may replace the buffer, and the view with it.
    const at = this.#advance(1);
    this.#view.setUint8(at, value);
  }

  u16(value: number): void {
    const at = this.#advance(2);
    this.#view.setUint16(at, value, true);
  }

  u32(value: number): void {
    const at = this.#advance(4);
    this.#view.setUint32(at, value, true);
  }

  /** A non-negative integer of up to 52 bits, in eight bytes. */
  u64(value: number): void {
    const at = this.#advance(8);
    this.#view.setUint32(at, value % 0x1_0000_0000, true);
    this.#view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#advance(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** Length (32 bits), then the bytes. */
  blob(bytes: Uint8Array): void {
    this.u32(bytes.length);
    this.raw(bytes);
  }

  /** A name of at most 255 bytes. */
  name(text: string): void {
    const bytes = textEncoder.encode(text);
    this.u8(bytes.length);
    this.raw(bytes);
  }

  /** Zeros up to the next multiple of `step`. */
  align(step: number): void {
    const rest = this.#length % step;
    if (rest === 0) return;
    const at = this.#advance(step - rest);
    this.#bytes.fill(0, at, at + step - rest);
  }

  /** Overwrites four bytes written before. */
  patchU32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  #advance(count: number): number {
    const at = this.#length;
    const end = at + count;
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#length = end;
    return at;
  }
}

// Without a DataView: making one costs more than what is read through it, and a log is full of small frames.
const u16At = (bytes: Uint8Array, at: number): number =>
  (bytes[at] as number) | ((bytes[at + 1] as number) << 8);

/** The integer in the four bytes from `at` on, which have to be there. */
export const u32At = (bytes: Uint8Array, at: number): number =>
  (u16At(bytes, at) | (u16At(bytes, at + 2) << 16)) >>> 0;

/**
 * Reads what may be hostile. A read past the end or of an impossible value gives zero and marks the reader as failed, so that
 * a decoder reads to its end without a branch at each field, and asks once.
 */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #lends: boolean;
  #at = 0;
  #failed = false;

  /** @param lends whether blobs are views of the bytes, and no copies: what is kept of them keeps all of the bytes. */
  constructor(bytes: Uint8Array, lends = false) {
    this.#bytes = bytes;
    this.#lends = lends;
  }

  get failed(): boolean {
    return this.#failed;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  get at(): number {
    return this.#at;
  }

  fail(): void {
    this.#failed = true;
  }

  u8(): number {
    return this.#has(1) ? (this.#bytes[this.#at++] as number) : 0;
  }

  u16(): number {
    if (!this.#has(2)) return 0;
    this.#at += 2;
    return u16At(this.#bytes, this.#at - 2);
  }

  u32(): number {
    if (!this.#has(4)) return 0;
    this.#at += 4;
    return u32At(this.#bytes, this.#at - 4);
  }

  u64(): number {
    const low = this.u32();
    const value = this.u32() * 0x1_0000_0000 + low;
    if (value <= integerMax) return value;
    this.#failed = true;
    return 0;
  }

  /** A byte that must be 0 or 1. */
  flag(): boolean {
    const byte = this.u8();
    if (byte > 1) this.#failed = true;
    return byte === 1;
  }

  /** A copy, unless the reader lends, so that what is kept does not hold a whole packet in memory. */
  blob(): Uint8Array {
    const length = this.u32();
    if (!this.#has(length)) return new Uint8Array(0);
    this.#at += length;
    const start = this.#at - length;
    return this.#lends ? this.#bytes.subarray(start, this.#at) : this.#bytes.slice(start, this.#at);
  }

  name(): string {
    const length = this.u8();
    if (!this.#has(length)) return '';
    this.#at += length;
    try {
      return textDecoder.decode(this.#bytes.subarray(this.#at - length, this.#at));
    } catch {
      this.#failed = true;
      return '';
    }
  }

  align(step: number): void {
    const rest = this.#at % step;
    if (rest === 0 || !this.#has(step - rest)) return;
    this.#at += step - rest;
  }

  #has(count: number): boolean {
    if (!this.#failed && count <= this.#bytes.length - this.#at) return true;
    this.#failed = true;
    return false;
  }
}
