import type { Block } from '../wire/blocks.ts';
import { flagBits, type FrameType } from '../wire/frame.ts';

/** Index = how urgent; it is also what the frame header carries. */
export const priorities = ['Critical', 'High', 'Normal', 'Low'] as const;
export type Priority = (typeof priorities)[number];
export const priorityIndex: Readonly<Record<Priority, number>> = { Critical: 0, High: 1, Normal: 2, Low: 3 };

/** What waits for a frame's fate. */
export interface Waiter {
  /** The peer has it. */
  acknowledged(): void;
  /** It will not be sent (again). `sent`: it has been on the wire, so the peer may have it. */
  abandoned(sent: boolean): void;
}

/**
 * A sequenced frame between the call that made it and the acknowledgement that ends it. One plain object a message: no promise,
 * no timer, no map entry on the one-way path.
 */
export interface Outgoing {
  type: FrameType;
  flags: number;
  typeId: number;
  stream: number;
  /** What holds the payload, where in it that begins, and its length. */
  bytes: Uint8Array;
  from: number;
  length: number;
  /** The block that `bytes` is of, for as long as it must keep them; null: of none. */
  block: Block | null;
  /** There is room for a header before the payload, and before each part that it will be cut into: it is written as it stands. */
  framed: boolean;
  waiter: Waiter | null;
  /** On how many connections it has been written. */
  attempts: number;
  /** Taken back before it was written. */
  cancelled: boolean;
  /** Bytes of it that have left in chunks. */
  cut: number;
  /** Length of the whole, once only a part of it is left or it was compressed. */
  total: number;
}

/** Without a payload: see `Arena.lay`. */
export const newOutgoing = (
  type: FrameType,
  flags: number,
  typeId: number,
  stream: number,
  waiter: Waiter | null,
): Outgoing => ({
  type,
  flags,
  typeId,
  stream,
  bytes: empty,
  from: 0,
  length: 0,
  block: null,
  // What is compressed leaves from elsewhere.
  framed: (flags & flagBits.compressed) === 0,
  waiter,
  attempts: 0,
  cancelled: false,
  cut: 0,
  total: 0,
});

const empty = new Uint8Array(0);
