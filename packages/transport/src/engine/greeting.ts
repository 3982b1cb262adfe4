/** What a peer says before it is admitted, and when it refuses: frames as inputs of the control core. */
import type { TransportInput } from '../core/protocol.ts';
import type { Refusal } from '../core/refusal.ts';
import { frameTypes, type FrameType } from '../wire/frame.ts';
import { decodeHello, decodeRefusal } from '../wire/messages.ts';

/** Null: it is none, or cannot be read. */
export function greetingOf(connection: number, type: FrameType, payload: Uint8Array): TransportInput | null {
  const greets = type === frameTypes.hello || type === frameTypes.helloAck;
  const hello = greets ? decodeHello(payload) : null;
  if (hello === null) return null;
  return { type: type === frameTypes.hello ? 'HELLO' : 'HELLO_ACK', connection, hello };
}

/** Why the peer refuses. */
export const refusalOf = (payload: Uint8Array): Refusal =>
  decodeRefusal(payload) ?? { code: 'TRANSPORT_PROTOCOL_ERROR', reason: 'a refusal that cannot be read' };
