/** Messages that come in chunks: what a first chunk claims is judged and charged before anything is kept of it. */
import { messageOverheadBytes } from '../core/credit.ts';
import { chunkBytes, flagBits } from '../wire/frame.ts';
import type { Delivery } from './delivery.ts';

/** What about a frame breaks the protocol. */
export interface Fault {
  readonly label: string;
  readonly reason: string;
}

const fault = (label: string, reason: string): Fault => ({ label, reason });

export const doNotAddUp = fault('chunk', 'chunks that do not add up');
export const overWindow = fault('credit', 'it sends more than it may');
const oversized = fault('oversized', 'a message too large');
const tooCheap = fault('credit', 'it gives up less than it has begun');

/** Where what comes of this priority is gathered: an answer beside the messages. */
export const laneOf = (flags: number, ofAnswer: boolean): number =>
  (flags & flagBits.priority) + (ofAnswer ? 4 : 0);

/** A part of a message of `total` bytes that is not the last. */
export function takeChunk(
  { assembly, receiveCredit, calls }: Delivery,
  flags: number,
  typeId: number,
  total: number,
  payload: Uint8Array,
  messageBytesMax: number,
): Fault | null {
  const priority = flags & flagBits.priority;
  const ofAnswer = typeId === 1;
  const lane = laneOf(flags, ofAnswer);
  const begins = assembly.isEmpty(lane);
  if (begins && total > messageBytesMax) return oversized;
  // A byte that claims a whole message, and is given up at once, would cost its sender nothing and this side the memory each time.
  if (payload.length !== chunkBytes) return doNotAddUp;
  if (begins && !ofAnswer && !receiveCredit.charge(priority, messageOverheadBytes + total)) return overWindow;
  // Windows do not count answers: what bounds them is what was asked. Its request may have been aborted, which the peer could not know.
  const isWanted = !ofAnswer || (calls.answersDue[priority] as number) > 0;
  return assembly.add(lane, total, payload, isWanted) ? null : doNotAddUp;
}

/** Its sender has given up the message that had this number, or the rest of the one that came in chunks. */
export function takeVoid(
  { assembly, receiveCredit }: Delivery,
  flags: number,
  typeId: number,
  cost: number,
): Fault | null {
  const priority = flags & flagBits.priority;
  const ofAnswer = typeId === 1;
  const lane = laneOf(flags, ofAnswer);
  const begun = (flags & flagBits.completes) !== 0 && !assembly.isEmpty(lane);
  // By the chunks that came: less than the whole, when what comes is compressed.
  const charged = begun && !ofAnswer ? messageOverheadBytes + assembly.total(lane) : 0;
  if (begun) assembly.drop(lane);
  // What is given back must have been charged: else the peer would win room that it has not.
  if (cost < charged) return tooCheap;
  if (cost === 0) return null;
  receiveCredit.skip(priority, cost - charged);
  receiveCredit.consume(priority, charged);
  return null;
}
