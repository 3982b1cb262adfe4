import { Bodies } from '../wire/bodies.ts';

/**
 * Large messages that are coming in, chunk by chunk: at most one for each lane, gathered where its announced length has room. What nobody
 * waits for is passed over: its chunks have to add up all the same, and nothing is kept of them.
 */
export class Assembly {
  readonly #buffers: (Uint8Array | null)[] = Array.from({ length: laneCount }, () => null);
  /** 0: nothing has begun. */
  readonly #totals = new Uint32Array(laneCount);
  readonly #have = new Uint32Array(laneCount);
  readonly #bodies: Bodies;

  constructor(bodies = new Bodies()) {
    this.#bodies = bodies;
  }

  /** True when the next chunk of this lane begins a message. */
  isEmpty(lane: number): boolean {
    return this.total(lane) === 0;
  }

  /** The length of the message that is coming in; 0 when there is none. */
  total(lane: number): number {
    return this.#totals[lane] as number;
  }

  /** Where the next `length` bytes of a message that has begun will stand, so that they can be read to there; null when they do not fit. */
  place(lane: number, length: number): Uint8Array | null {
    const buffer = this.#buffers[lane] ?? null;
    const have = this.#have[lane] as number;
    return buffer === null || have + length > buffer.length ? null : buffer.subarray(have, have + length);
  }

  /** A chunk that is not the last. False when it does not fit. @param isWanted of the first: what follows is kept. */
  add(lane: number, total: number, chunk: Uint8Array, isWanted = true): boolean {
    const have = this.#have[lane] as number;
    const begun = this.total(lane);
    if ((begun > 0 && begun !== total) || chunk.length === 0 || have + chunk.length >= total) return false;
    if (begun === 0) {
      this.#totals[lane] = total;
      this.#buffers[lane] = isWanted ? this.#bodies.take(total) : null;
    }
    const buffer = this.#buffers[lane] ?? null;
    if (buffer !== null) this.#put(chunk, buffer, have);
    this.#have[lane] = have + chunk.length;
    return true;
  }

  /** The last chunk: the whole message, `passedOver`, or null when it does not end there. */
  finish(lane: number, chunk: Uint8Array): Uint8Array | typeof passedOver | null {
    const buffer = this.#buffers[lane] ?? null;
    const have = this.#have[lane] as number;
    const total = this.total(lane);
    if (total === 0 || have + chunk.length !== total) return null;
    if (buffer !== null) this.#put(chunk, buffer, have);
    this.drop(lane);
    return buffer ?? passedOver;
  }

  /** A chunk that was gathered elsewhere is copied, and what it was gathered in is free again. */
  #put(chunk: Uint8Array, buffer: Uint8Array, at: number): void {
    if (isAt(chunk, buffer, at)) return;
    buffer.set(chunk, at);
    this.#bodies.give(chunk);
  }

  drop(lane: number): void {
    this.#buffers[lane] = null;
    this.#totals[lane] = 0;
    this.#have[lane] = 0;
  }
}

/** Nobody has waited for it. */
export const passedOver = 'passed over';

/** It was read to where it belongs. */
const isAt = (chunk: Uint8Array, buffer: Uint8Array, at: number): boolean =>
  chunk.buffer === buffer.buffer && chunk.byteOffset === buffer.byteOffset + at;

/** For each priority one lane in order, and one aside for large answers. */
export const laneCount = 8;
