/** What goes out as an answer: the answer, or that it does not fit. */
import { backpressure, messageTooLarge } from '../errors.ts';
import { frameTypes, type FrameType } from '../wire/frame.ts';
import { encodeRemoteError } from '../wire/messages.ts';
import type { Delivery } from './delivery.ts';

/** Null when there is no room even for saying that there is none. */
export function fitAnswer(
  delivery: Delivery,
  type: FrameType,
  bytes: Uint8Array,
): { readonly type: FrameType; readonly bytes: Uint8Array } | null {
  const { peer, messageBytesMax: max, queued, queuedBytes } = delivery;
  if (bytes.length <= max && delivery.accepts(bytes.length)) return { type, bytes };
  const problem =
    bytes.length > max ? messageTooLarge(bytes.length, max) : backpressure(peer, queued, queuedBytes);
  const body = encodeRemoteError(problem);
  return delivery.accepts(body.length) ? { type: frameTypes.error, bytes: body } : null;
}
