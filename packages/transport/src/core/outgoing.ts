import type { FrameType } from '../wire/frame.ts';

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
  /** The payload; once written, the block that holds it as it went out, so that what the caller gave can go. */
  bytes: Uint8Array;
  /** Once written: where in `bytes` it begins, and its length. */
  from: number;
  length: number;
  waiter: Waiter | null;
  /** On how many connections it has been written. */
  attempts: number;
  /** Taken back before it was written. */
  cancelled: boolean;
  /** Bytes of it that have left in chunks. */
  cut: number;
  /** Length of the whole, once `bytes` is only a part of it or was compressed. */
  total: number;
}

export const newOutgoing = (
  type: FrameType,
  flags: number,
  typeId: number,
  stream: number,
  bytes: Uint8Array,
  waiter: Waiter | null,
): Outgoing => ({
  type,
  flags,
  typeId,
  stream,
  bytes,
  from: 0,
  length: 0,
  waiter,
  attempts: 0,
  cancelled: false,
  cut: 0,
  total: 0,
});
