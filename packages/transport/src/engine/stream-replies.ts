/** What peers make necessary about their streams: grants of room, ends and resets. Each is counted until it is acknowledged, and so bounded. */
import type { TransportConfig } from '../config.ts';
import { type Outgoing, priorityIndex, type Waiter } from '../core/outgoing.ts';
import type { Refusal } from '../core/refusal.ts';
import { flagBits, frameTypes, type FrameType } from '../wire/frame.ts';
import { encodeGrant } from '../wire/grant.ts';
import { encodeRemoteError } from '../wire/messages.ts';
import type { ByteStream } from './byte-stream.ts';
import type { Delivery } from './delivery.ts';
import type { PeerStreams } from './peer-streams.ts';

export interface StreamRepliesOwner {
  enqueue(
    delivery: Delivery,
    type: FrameType,
    flags: number,
    typeId: number,
    stream: number,
    bytes: Uint8Array,
    waiter?: Waiter,
  ): Outgoing;
  /** The peer makes more frames necessary than it takes. */
  flooded(delivery: Delivery): void;
  nowMs(): number;
}

/**
 * Of one stream, an honest peer may leave so many unacknowledged: room by halves of its window and by halves of what all have, twice
 * each, the end or the reset, and one of the next in its place.
 */
const framesOfStream = 6;
const empty = new Uint8Array(0);

export class StreamReplies {
  readonly #limits: Pick<TransportConfig, 'controlFramesMax' | 'streamsMax'>;
  readonly #owner: StreamRepliesOwner;

  constructor(limits: Pick<TransportConfig, 'controlFramesMax' | 'streamsMax'>, owner: StreamRepliesOwner) {
    this.#limits = limits;
    this.#owner = owner;
  }

  /** Behind what the stream has sent before. */
  end(delivery: Delivery, streams: PeerStreams, stream: ByteStream): void {
    this.#say(delivery, streams, stream, frameTypes.end, priorityIndex[stream.priority], empty);
  }

  /** Behind it, too. */
  reset(delivery: Delivery, streams: PeerStreams, stream: ByteStream, { code, reason }: Refusal): void {
    const body = encodeRemoteError({ code, message: reason });
    this.#say(delivery, streams, stream, frameTypes.reset, priorityIndex[stream.priority], body);
  }

  /** In a lane of its own: what waits for the room that this gives must not stand in its way. */
  grant(delivery: Delivery, streams: PeerStreams, stream: ByteStream): void {
    const { windows } = streams;
    const nowMs = this.#owner.nowMs();
    const grant = stream.window.grant(nowMs);
    streams.addHeld(stream.id, -grant.consumedBytes);
    const isTimed = windows.times(nowMs);
    const answered = (): void => windows.answered(nowMs, this.#owner.nowMs());
    const flags = isTimed ? flagBits.acknowledgeNow : 0;
    const body = encodeGrant(grant);
    this.#say(delivery, streams, stream, frameTypes.window, flags, body, isTimed ? answered : undefined);
  }

  #say(
    delivery: Delivery,
    { owed }: PeerStreams,
    stream: ByteStream,
    type: FrameType,
    flags: number,
    bytes: Uint8Array,
    answered?: () => void,
  ): void {
    this.#owner.enqueue(delivery, type, flags, sideOf(stream), stream.id, bytes, owed.one(answered));
    const { controlFramesMax, streamsMax } = this.#limits;
    if (owed.size > controlFramesMax + framesOfStream * streamsMax) this.#owner.flooded(delivery);
  }
}

/** In the type field of a frame: whether who sends it has opened the stream. */
export const sideOf = ({ ours }: Pick<ByteStream, 'ours'>): number => (ours ? bySender : 0);
export const bySender = 1;
