/**
 * The frame: 16 bytes of header, then the payload. All numbers are big-endian.
 *
 *     0        payload length (u32), checked against the limit before anything is allocated
 *     4        frame type (u8)
 *     5        flags (u8): bits 0-1 priority, bit 2 "acknowledge at once", bit 3 "completes the chunks before it", bit 4 "a trace
 *              context goes before the body" (of OPEN: is its body), bit 5 "compressed: the length before (u32), then raw DEFLATE of
 *              what would be the payload"; others must be zero
 *     6        message type id (u16)
 *     8        stream (u32): the request a frame belongs to, numbered by who asked; 0 = none. In CHUNK the length of the whole
 *              message; in VOID what the message was charged
 *     12       sequence (u32): the number of a sequenced frame; in ACK the last one received; in CREDIT the bytes consumed of
 *              the messages of its priority, modulo 2^32
 */
export const headerBytes = 16;

export const frameTypes = {
  hello: 1,
  helloAck: 2,
  refused: 3,
  goaway: 4,
  ping: 5,
  pong: 6,
  ack: 7,
  credit: 8,
  /** The MESSAGE of this number has arrived, and reached no handler. Goes before its acknowledgement. JSON: code, message. */
  unhandled: 9,
  /** From here on sequenced: numbered, acknowledged, resent, delivered once and in order. */
  message: 16,
  request: 17,
  response: 18,
  error: 19,
  cancel: 20,
  /** Takes the number of a frame that was given up. */
  void: 21,
  /** Part of a large message, not the last. Type id 1: of an answer. */
  chunk: 22,
  /** Streams. OPEN names the type; in the others the type field is 1 when their sender has opened the stream. */
  open: 23,
  data: 24,
  end: 25,
  /** JSON: code, message. */
  reset: 26,
  /** Four bytes: so many more may be sent. */
  window: 27,
} as const;
export type FrameType = (typeof frameTypes)[keyof typeof frameTypes];

const known = new Uint8Array(256);
for (const type of Object.values(frameTypes)) known[type] = 1;
export const isFrameType = (type: number): type is FrameType => known[type] === 1;

export const isSequenced = (type: FrameType): boolean => type >= frameTypes.message;

export const flagBits = {
  priority: 3,
  acknowledgeNow: 4,
  completes: 8,
  traced: 16,
  compressed: 32,
  all: 63,
} as const;

/** Of a message as its sender gives it. */
export const flagsOf = (priority: number, isTraced: boolean, compress: boolean): number =>
  priority | (isTraced ? flagBits.traced : 0) | (compress ? flagBits.compressed : 0);

/** A message up to this size is one frame. */
export const wholeBytesMax = 73_728;
/** A larger one is cut in pieces of this size; the last is what is left. */
export const chunkBytes = 65_536;

/** Writes a header at `at`. */
export function writeHeader(
  into: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  typeId: number,
  stream: number,
  sequence: number,
): void {
  into[at] = length >>> 24;
  into[at + 1] = length >>> 16;
  into[at + 2] = length >>> 8;
  into[at + 3] = length;
  into[at + 4] = type;
  into[at + 5] = flags;
  into[at + 6] = typeId >>> 8;
  into[at + 7] = typeId;
  into[at + 8] = stream >>> 24;
  into[at + 9] = stream >>> 16;
  into[at + 10] = stream >>> 8;
  into[at + 11] = stream;
  into[at + 12] = sequence >>> 24;
  into[at + 13] = sequence >>> 16;
  into[at + 14] = sequence >>> 8;
  into[at + 15] = sequence;
}

const none = new Uint8Array(0);

/** A frame of its own: for the few that are not written in batches. */
export function encodeFrame(
  type: FrameType,
  payload: Uint8Array = none,
  stream = 0,
  sequence = 0,
  typeId = 0,
): Uint8Array {
  const frame = new Uint8Array(headerBytes + payload.length);
  writeHeader(frame, 0, payload.length, type, 0, typeId, stream, sequence);
  frame.set(payload, headerBytes);
  return frame;
}
