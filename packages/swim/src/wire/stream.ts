/**
 * What runs over TCP: [label] [encryption with its length] [compression], then one push/pull half, a ping, an ack, a user message
 * or an error. Unencrypted push/pull has no length in front, so the decoder reads member by member as bytes arrive; what it
 * keeps never exceeds the configured size.
 */
import type { Ack, PeerRecord, Ping, PushPull, RejectReason } from '../core/messages.ts';
import { decodeFields, decodePeer, encodeMessage, Fields, wireType, writePeer } from './messages.ts';
import { Reader, Writer } from './msgpack.ts';
import { compressed, inflate, sameBytes, splitLabel, type WireOptions, withLabel } from './packet.ts';
import { reasonOf, WireError } from './wire-error.ts';

export type StreamMessage =
  | { readonly kind: 'pushPull'; readonly content: PushPull }
  | { readonly kind: 'ping'; readonly content: Ping }
  | { readonly kind: 'ack'; readonly content: Ack }
  | { readonly kind: 'user'; readonly content: Uint8Array }
  | { readonly kind: 'error'; readonly content: string }
  | { readonly kind: 'rejected'; readonly content: RejectReason };

export interface StreamOptions extends WireOptions {
  /** Most bytes of one message. */
  readonly streamBytesMax: number;
  readonly userBytesMax: number;
}

// Room for label, cipher header and framing beside the largest content.
const framingBytes = 1024;
const errorBytesMax = 1024;

export function encodePushPull({ join, members, userState }: PushPull): Uint8Array {
  const writer = new Writer().u8(wireType.pushPull).map(3).key('Join').bool(join);
  writer.key('Nodes').uint(members.length).key('UserStateLen').uint(userState.length);
  for (const member of members) writePeer(writer, member);
  return writer.append(userState).take();
}

export const encodeStreamMessage = (message: Ping | Ack): Uint8Array => encodeMessage(message);

/** A user message, as memberlist sends what is too large for a packet. */
export const encodeStreamUser = (payload: Uint8Array): Uint8Array =>
  new Writer().u8(wireType.user).map(1).key('UserMsgLen').uint(payload.length).append(payload).take();

export const encodeStreamError = (text: string): Uint8Array =>
  new Writer().u8(wireType.error).map(1).key('Error').text(text).take();

/** Adds the outer layers to a message. */
export function sealStream(message: Uint8Array, { label, cipher, compress }: WireOptions): Uint8Array {
  const body = compress ? compressed(message) : message;
  if (!cipher) return withLabel(body, label);
  const header = new Writer()
    .u8(wireType.encrypt)
    .u32(body.length + cipher.overheadBytes)
    .take();
  const sealed = cipher.seal(body, streamAad(header, label));
  return withLabel(new Writer().append(header).append(sealed).take(), label);
}

const streamAad = (header: Uint8Array, label: Uint8Array): Uint8Array => {
  const aad = new Uint8Array(header.length + label.length);
  aad.set(header);
  aad.set(label, header.length);
  return aad;
};

/** Takes the bytes of one direction of a stream and gives its one message as soon as it is whole. */
export class StreamDecoder {
  readonly #options: StreamOptions;
  #bytes = new Uint8Array(0);
  #length = 0;
  #settled = false;
  // Where an unencrypted push/pull has been read to.
  #pushPull: PartialPushPull | undefined;

  constructor(options: StreamOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /** The message, or a rejection; undefined while more is needed, and after the first. */
  push(chunk: Uint8Array): StreamMessage | undefined {
    if (this.#settled) return undefined;
    const message = this.#read(chunk);
    if (message === undefined) return undefined;
    this.#settled = true;
    this.#bytes = new Uint8Array(0);
    return message;
  }

  #read(chunk: Uint8Array): StreamMessage | undefined {
    if (this.#length + chunk.length > this.#options.streamBytesMax + framingBytes)
      return rejected('too_large');
    this.#append(chunk);
    try {
      return this.#open(this.#bytes.subarray(0, this.#length));
    } catch (error) {
      const reason = reasonOf(error);
      return reason === 'truncated' ? undefined : rejected(reason);
    }
  }

  #append(chunk: Uint8Array): void {
    const needed = this.#length + chunk.length;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(
        Math.max(needed, Math.min(this.#bytes.length * 2, this.#options.streamBytesMax)),
      );
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(chunk, this.#length);
    this.#length = needed;
  }

  #open(bytes: Uint8Array): StreamMessage {
    const { label, rest } = splitLabel(bytes);
    if (!sameBytes(label, this.#options.label)) throw new WireError('label');
    const [type] = rest;
    if (type === undefined) throw new WireError('truncated');
    const { cipher } = this.#options;
    if (!cipher) {
      if (type === wireType.encrypt) throw new WireError('encrypted');
      return this.#body(rest, false);
    }
    if (type !== wireType.encrypt) throw new WireError('plaintext');
    if (rest.length < 5) throw new WireError('truncated');
    const length = new DataView(rest.buffer, rest.byteOffset).getUint32(1);
    if (length > this.#options.streamBytesMax) throw new WireError('too_large');
    if (rest.length < 5 + length) throw new WireError('truncated');
    const opened = cipher.open(rest.subarray(5, 5 + length), streamAad(rest.subarray(0, 5), label));
    if (opened === null) throw new WireError('key');
    return this.#whole(opened);
  }

  /** Content that is all there: running out of bytes is the sender's mistake. */
  #whole(bytes: Uint8Array): StreamMessage {
    try {
      return this.#body(bytes, true);
    } catch (error) {
      const reason = reasonOf(error);
      return rejected(reason);
    }
  }

  #body(bytes: Uint8Array, isInner: boolean): StreamMessage {
    const { streamBytesMax, userBytesMax, inflateBytesMax } = this.#options;
    const reader = new Reader(bytes, 1, streamBytesMax);
    switch (bytes[0]) {
      case undefined:
        throw new WireError('truncated');
      case wireType.compress: {
        // Read once to know that it is whole; its content must then be as well.
        reader.map();
        const content = inflate(bytes, Math.min(inflateBytesMax, streamBytesMax));
        if (content[0] === wireType.compress) throw new WireError('nesting');
        return this.#whole(content);
      }
      case wireType.pushPull:
        return { kind: 'pushPull', content: this.#readPushPull(bytes, isInner) };
      case wireType.ping:
        return { kind: 'ping', content: decodeFields(wireType.ping, new Fields(reader.map())) as Ping };
      case wireType.ack:
        return { kind: 'ack', content: decodeFields(wireType.ack, new Fields(reader.map())) as Ack };
      case wireType.user: {
        const length = new Fields(reader.map()).count('UserMsgLen', userBytesMax, 'too_large');
        return { kind: 'user', content: reader.bytes(length).slice() };
      }
      case wireType.error:
        return { kind: 'error', content: new Fields(reader.map()).text('Error', errorBytesMax) };
      default:
        throw new WireError('type');
    }
  }

  #readPushPull(bytes: Uint8Array, isInner: boolean): PushPull {
    const { streamBytesMax } = this.#options;
    const state = (isInner ? undefined : this.#pushPull) ?? pushPullHeader(bytes, streamBytesMax);
    if (!isInner) this.#pushPull = state;
    const reader = new Reader(bytes, state.offset, streamBytesMax);
    while (state.members.length < state.count) {
      const peer = decodePeer(bytes, reader);
      state.members.push(peer);
      state.offset = reader.offset;
    }
    const userState = reader.bytes(state.userStateBytes).slice();
    return { join: state.join, members: state.members, userState };
  }
}

interface PartialPushPull {
  readonly join: boolean;
  readonly count: number;
  readonly userStateBytes: number;
  readonly members: PeerRecord[];
  offset: number;
}

function pushPullHeader(bytes: Uint8Array, bytesMax: number): PartialPushPull {
  const reader = new Reader(bytes, 1, bytesMax);
  const fields = new Fields(reader.map());
  return {
    join: fields.flag('Join'),
    count: fields.count('Nodes', bytesMax, 'too_large'),
    userStateBytes: fields.count('UserStateLen', bytesMax, 'too_large'),
    members: [],
    offset: reader.offset,
  };
}

const rejected = (reason: RejectReason): StreamMessage => ({ kind: 'rejected', content: reason });
