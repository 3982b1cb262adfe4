/**
 * Bytes to frames. Payloads are views into the chunks that came in; only a frame that spans chunks is gathered, into a buffer
 * of its own whose length was checked first. Bad bytes are an answer, not an exception: the parser stops and says why.
 */
import { flagBits, type FrameType, headerBytes, isFrameType } from './frame.ts';
import { type Allocate, zeroed } from './blocks.ts';

export interface FrameSink {
  /** `payload` is a view that lives as long as the chunk it came in. False = stop: the rest is of no interest. */
  onFrame(
    type: FrameType,
    flags: number,
    typeId: number,
    stream: number,
    sequence: number,
    payload: Uint8Array,
  ): boolean;
  /**
   * Where the payload of a frame that spans chunks is to be gathered, whose length has been checked; null: in a buffer of its
   * own. What is written there counts only once `onFrame` has been called with it.
   */
  place?(
    type: FrameType,
    flags: number,
    typeId: number,
    stream: number,
    sequence: number,
    length: number,
  ): Uint8Array | null;
}

/** Why bytes were rejected: the label of `frames_rejected`. */
export type FrameFault = 'oversized' | 'type' | 'flags';

export class FrameParser {
  readonly #sink: FrameSink;
  readonly #allocate: Allocate;
  readonly #header = new Uint8Array(headerBytes);
  #have = 0;
  #gathering: Uint8Array | null = null;
  #gathered = 0;
  #stopped = false;
  /** The largest payload taken. Small until the peer has been admitted. */
  payloadBytesMax: number;

  /** @param allocate a buffer for a frame that spans chunks; it is written whole before anybody sees it. */
  constructor(payloadBytesMax: number, sink: FrameSink, allocate: Allocate = zeroed) {
    this.payloadBytesMax = payloadBytesMax;
    this.#sink = sink;
    this.#allocate = allocate;
  }

  /** Null, or why the stream cannot be read on: it must be closed. */
  push(chunk: Uint8Array): FrameFault | null {
    let at = 0;
    while (at < chunk.length && !this.#stopped) {
      if (this.#gathering !== null) {
        at = this.#gather(this.#gathering, chunk, at);
        continue;
      }
      let header: Uint8Array = this.#header;
      let from = 0;
      if (this.#have === 0 && chunk.length - at >= headerBytes) {
        header = chunk;
        from = at;
        at += headerBytes;
      } else {
        const take = Math.min(headerBytes - this.#have, chunk.length - at);
        header.set(chunk.subarray(at, at + take), this.#have);
        this.#have += take;
        at += take;
        if (this.#have < headerBytes) return null;
      }
      const length = u32(header, from);
      const fault = this.#check(length, header[from + 4] as number, header[from + 5] as number);
      if (fault !== null) {
        this.#stopped = true;
        return fault;
      }
      if (chunk.length - at >= length) {
        this.#deliver(header, from, chunk.subarray(at, at + length));
        this.#have = 0;
        at += length;
      } else {
        if (header !== this.#header) this.#header.set(header.subarray(from, from + headerBytes));
        this.#have = headerBytes;
        this.#gathering = this.#place(length) ?? this.#allocate(length);
        this.#gathered = 0;
      }
    }
    return null;
  }

  /** Bytes held back for a frame that is not complete. */
  get pendingBytes(): number {
    return this.#gathering === null ? this.#have : headerBytes + this.#gathering.length;
  }

  #check(length: number, type: number, flags: number): FrameFault | null {
    if (length > this.payloadBytesMax) return 'oversized';
    if (!isFrameType(type)) return 'type';
    return (flags & ~flagBits.all) === 0 ? null : 'flags';
  }

  #place(length: number): Uint8Array | null {
    const header = this.#header;
    const place = this.#sink.place?.(
      header[4] as FrameType,
      header[5] as number,
      ((header[6] as number) << 8) | (header[7] as number),
      u32(header, 8),
      u32(header, 12),
      length,
    );
    return place ?? null;
  }

  #gather(into: Uint8Array, chunk: Uint8Array, at: number): number {
    const take = Math.min(into.length - this.#gathered, chunk.length - at);
    into.set(chunk.subarray(at, at + take), this.#gathered);
    this.#gathered += take;
    if (this.#gathered === into.length) {
      this.#gathering = null;
      this.#have = 0;
      this.#deliver(this.#header, 0, into);
    }
    return at + take;
  }

  #deliver(header: Uint8Array, from: number, payload: Uint8Array): void {
    const goOn = this.#sink.onFrame(
      header[from + 4] as FrameType,
      header[from + 5] as number,
      ((header[from + 6] as number) << 8) | (header[from + 7] as number),
      u32(header, from + 8),
      u32(header, from + 12),
      payload,
    );
    if (!goOn) this.#stopped = true;
  }
}

const u32 = (bytes: Uint8Array, at: number): number =>
  (((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)) >>>
  0;
