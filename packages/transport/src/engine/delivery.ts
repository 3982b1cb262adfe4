/**
 * The data plane of one peer: what waits, what is unacknowledged, what has been received, and the calls between. It outlives
 * connections; the session machine says when it starts over.
 */
import type { ClusterError, Done } from '@cluster/core';
import { type Line, lineOf, peerOf, type PeerRole } from '../core/identity.ts';
import { newOutgoing, priorities, type Outgoing, type Priority, type Waiter } from '../core/outgoing.ts';
import type { Refusal } from '../core/refusal.ts';
import { Arena } from '../core/arena.ts';
import { Assembly } from '../core/assembly.ts';
import { CallTable } from '../core/call-table.ts';
import type { Shrink } from '../core/compression.ts';
import { ReceiveCredit, SendCredit } from '../core/credit.ts';
import type { PeerLimits } from '../core/handshake.ts';
import { InFlight } from '../core/in-flight.ts';
import { Receipts } from '../core/receipts.ts';
import { SendQueue } from '../core/send-queue.ts';
import { after } from '../core/sequence.ts';
import { Tally } from '../core/tally.ts';
import { Unacked } from '../core/unacked.ts';
import { flagBits, frameTypes, type FrameType, headerBytes, writeHeader } from '../wire/frame.ts';
import { type Allocate, zeroed } from '../wire/blocks.ts';
import type { Bodies } from '../wire/bodies.ts';
import type { Carrier, PendingCall } from './carrier.ts';
import { Access } from './handlers.ts';
import type { Inbound, InboundRequest } from './inbound.ts';
import type { PeerStatus } from './types.ts';
import type { Workload } from './workload.ts';

export interface DeliveryLimits {
  readonly queueMessagesMax: number;
  readonly queueBytesMax: number;
  readonly windowMessages: number;
  readonly readyBytes: number;
  readonly inFlightBytesMin: number;
  readonly inFlightDelayMs: number;
  readonly messageBytesMax: number;
  readonly streamWindowBytes: number;
  readonly sessionWindowBytes: number;
  readonly streamsMax: number;
  readonly streamBufferBytes: number;
  readonly streamsBufferBytes: number;
}

/** What stands in memory beside frames that wait, because it is over and they are not. */
const besideBytesMax = 1_048_576;
/** Critical may be written beyond the bound of what is under way, by so much. */
const criticalBytes = 65_536;

export class Delivery {
  /** The name of the line in the core and in tables. */
  readonly peer: string;
  /** Who is at the other end. */
  readonly node: string;
  readonly line: Line;
  readonly #limits: DeliveryLimits;
  readonly #bodies: Bodies;
  /** Where frames stand. */
  readonly arena: Arena;
  readonly queue: SendQueue;
  /** How much may be under way. Replaced with the connection: another one may take another path. */
  inFlight: InFlight;
  /** Messages of the peer's that are coming in chunks. */
  assembly: Assembly;
  /** What the peer may send. Replaced with the session: what handlers of the last one finish counts for nothing. */
  receiveCredit: ReceiveCredit;
  /** Calls of ours that wait, by stream. */
  readonly calls = new CallTable<PendingCall>();
  /** Requests of the peer's, by its stream. */
  readonly inbound = new Map<number, InboundRequest>();
  /** Streams of the calls that wait for a PONG. */
  readonly pings = new Set<number>();
  /** Callers that wait for room. Another set for the next ones: clearing one allocates among old objects, which starts full collections of garbage. */
  waiting = new Set<Done<void>>();
  readonly workload: Workload;
  role: PeerRole = 'node';
  /** What its role may send; nothing until it has been admitted. */
  access = new Access();
  /** The peer takes a connection for bulk. */
  takesBulk = false;
  /** Nothing new leaves: what was given to the other line before is to arrive first. */
  held = false;
  /** Since when more has waited than should for long; null: it does not. */
  crowdedSinceMs: number | null = null;
  /** At the end of its last session something was under way, and may yet arrive. */
  lostInFlight = false;
  connection: Carrier | null = null;
  /** The last refusal, for those who ask while it cannot be reached. */
  refusal: Refusal | null = null;
  /** The peer has said goodbye. */
  leaving = false;
  /** It is in the engine's list of those to flush. */
  scheduled = false;
  /** Since it is in the list nothing has been written. */
  mayWriteEarly = false;
  ackTimerArmed = false;
  takenSequence = 0;
  readonly tally = new Tally();
  /** Requests of the peer's: how many came, and what became of them. */
  readonly served = { received: 0, succeeded: 0, failed: 0 };
  connectionsOpened = 0;
  sessionsBegun = 0;
  /** Pings of the peer's that somebody there waits for. */
  pinged = 0;
  /** Frames taken since they were last counted: for the first time, and again. */
  taken = 0;
  resent = 0;
  /** One-way messages given up since they were last counted. */
  readonly lost = { posts: 0 };
  /** What handlers were last told about a one-way message. */
  lastOneWay: Inbound | null = null;
  #sendCredit: SendCredit;
  #peerLimits: PeerLimits;
  #unacked: Unacked;
  #isHeldBack = false;
  #receipts = new Receipts();

  constructor(peer: string, limits: DeliveryLimits, workload: Workload, bodies: Bodies, allocate?: Allocate) {
    this.peer = peer;
    this.node = peerOf(peer);
    this.line = lineOf(peer);
    this.workload = workload;
    this.#bodies = bodies;
    this.assembly = new Assembly(bodies);
    this.#limits = limits;
    // Until the peer has said what it takes: nothing is written before.
    this.#peerLimits = limits;
    this.#sendCredit = new SendCredit(limits);
    this.receiveCredit = new ReceiveCredit(limits);
    this.arena = new Arena(allocate ?? zeroed, () => this.connection);
    this.queue = new SendQueue(this.#sendCredit, this.#release);
    this.#unacked = new Unacked(limits.windowMessages, this.#over);
    this.inFlight = new InFlight(limits);
  }

  /** What the peer takes. */
  set limits(limits: PeerLimits) {
    this.#peerLimits = limits;
    this.#sendCredit.windows = limits;
  }

  /** How messages that want it are compressed, where both sides do that. */
  set shrink(shrink: Shrink | null) {
    this.queue.shrink = shrink;
  }

  /** Both sides compress. */
  get compresses(): boolean {
    return this.queue.shrink !== null;
  }
  /** What the peer takes, as far as it has said. */
  get peerLimits(): PeerLimits {
    return this.#peerLimits;
  }
  /** The largest message that both sides take. */
  get messageBytesMax(): number {
    return Math.min(this.#limits.messageBytesMax, this.#peerLimits.messageBytesMax);
  }

  get queued(): number {
    return this.queue.size + this.#unacked.size;
  }
  get queuedBytes(): number {
    return this.queue.bytes + this.queue.begunBytes + this.#unacked.bytes;
  }
  get firstUnacknowledged(): number {
    return this.#unacked.first;
  }
  get inFlightBytes(): number {
    return this.#unacked.bytes;
  }
  get received(): number {
    return this.#receipts.last;
  }
  /** Another number as soon as anything of the session has gone either way, or somebody has pinged. */
  get activity(): number {
    return this.#receipts.last + this.takenSequence + this.calls.next + this.pinged;
  }

  /** Of a priority: what the peer has and has not finished with. */
  windowUsed(priority: number): number {
    return this.#sendCredit.used(priority);
  }

  /** Something waits, or is not finished. */
  get isBusy(): boolean {
    const { calls, inbound, pings, waiting } = this;
    return this.queued > 0 || this.owesAck || calls.size + inbound.size + pings.size + waiting.size > 0;
  }

  status(): Omit<PeerStatus, 'pool' | 'breaker' | 'session' | 'streams'> {
    const { node: peer, line, role, queuedBytes, refusal } = this;
    const { size: queued } = this.queue;
    const { size: unacknowledged } = this.#unacked;
    return { peer, line, role, queued, unacknowledged, queuedBytes, lastFailure: refusal?.code ?? null };
  }

  /** True when a message of that size fits the bounds. */
  accepts(bytes: number): boolean {
    const { queueMessagesMax, queueBytesMax } = this.#limits;
    const size = headerBytes + bytes;
    return (
      this.queued < queueMessagesMax &&
      this.queuedBytes + size <= queueBytesMax &&
      this.arena.heldBytes + size <= queueBytesMax + besideBytesMax
    );
  }

  /** Makes a frame of what it is given, which it copies, and queues it. */
  enqueue(
    type: FrameType,
    flags: number,
    typeId: number,
    stream: number,
    payload: Uint8Array,
    waiter: Waiter | null,
  ): Outgoing {
    const item = newOutgoing(type, flags, typeId, stream, waiter);
    if (payload.length > 0) this.arena.lay(item, payload);
    this.queue.push(item);
    return item;
  }

  /** Little waits to be written, and far less than the bounds allow is unacknowledged. */
  get ready(): boolean {
    const { readyBytes, queueBytesMax, queueMessagesMax } = this.#limits;
    return (
      this.queue.bytes < readyBytes &&
      this.queuedBytes * 2 < queueBytesMax &&
      this.arena.heldBytes < queueBytesMax &&
      this.queued * 2 < queueMessagesMax
    );
  }

  /** Tells those who wait, if there is room or (`error`) will be none. */
  wakeWaiting(error: ClusterError | null = null): void {
    if (this.waiting.size === 0 || (error === null && !this.ready)) return;
    const { waiting } = this;
    this.waiting = new Set();
    for (const done of waiting) done(error === null ? { ok: true, value: undefined } : { ok: false, error });
  }

  /** Something waits until the peer has acknowledged more. */
  get isHeldBack(): boolean {
    return this.#isHeldBack && this.#unacked.size > 0;
  }

  /** It need not wait any more. */
  get mayGoOn(): boolean {
    return this.#isHeldBack && !this.#unacked.full && this.#unacked.bytes < this.inFlight.boundBytes;
  }

  /** The next frame to write: first what has to be sent again. Its number is in `takenSequence`. */
  take(attemptsMax: number, nowMs: number): Outgoing | null {
    const unacked = this.#unacked;
    if (unacked.resending > 0) {
      this.takenSequence = unacked.resendSequence;
      this.resent++;
      return unacked.nextResend(attemptsMax, this.lost) ?? null;
    }
    const item = this.held ? undefined : this.#next();
    if (item === undefined) return null;
    const { bytes, acknowledgedBytes } = unacked;
    this.takenSequence = unacked.push(item);
    this.taken++;
    // Not of what has gone beyond the bound: a sample is of no longer queue than that.
    if (!this.#isHeldBack && this.inFlight.wrote(this.takenSequence, bytes, acknowledgedBytes, nowMs))
      item.flags |= flagBits.acknowledgeNow;
    return item;
  }

  #next(): Outgoing | undefined {
    const { queue } = this;
    const unacked = this.#unacked;
    const { boundBytes } = this.inFlight;
    this.#isHeldBack = queue.size > 0 && (unacked.full || unacked.bytes >= boundBytes);
    if (!this.#isHeldBack) return queue.next();
    this.inFlight.heldBack();
    return unacked.full || unacked.bytes >= boundBytes + criticalBytes ? undefined : queue.nextCritical();
  }

  /** A new session on a new connection. Numbers start at one, in both directions. */
  begin(): void {
    this.sessionsBegun++;
    this.#receipts = new Receipts();
    this.#unacked = new Unacked(this.#limits.windowMessages, this.#over);
    this.inFlight = new InFlight(this.#limits);
    this.#sendCredit = new SendCredit(this.#peerLimits);
    this.queue.restart(this.#sendCredit);
    this.receiveCredit = new ReceiveCredit(this.#limits);
    this.assembly = new Assembly(this.#bodies);
    this.lastOneWay = null;
    this.leaving = false;
    this.refusal = null;
  }

  /** The session goes on; the peer has everything up to `received`. False when that cannot be. */
  resume(received: number): boolean {
    if (!this.#unacked.acknowledge(received)) return false;
    this.#unacked.rewind();
    this.inFlight = new InFlight(this.#limits);
    this.#receipts.told();
    this.receiveCredit.repeat();
    this.refusal = null;
    return true;
  }

  /** False when the peer acknowledges what it was never sent. */
  acknowledged(sequence: number, nowMs: number): boolean {
    const unacked = this.#unacked;
    if (!unacked.acknowledge(sequence)) return false;
    this.inFlight.acknowledged(unacked.first, unacked.acknowledgedBytes, nowMs);
    return true;
  }

  /** False when the peer has consumed what it was never sent. */
  credited(stream: number, consumed: number): boolean {
    return this.#sendCredit.announced(stream, consumed);
  }

  /** Judges the number of a sequenced frame that came in. */
  accept(sequence: number, bytes: number, acknowledgeNow: boolean): 'new' | 'duplicate' | 'gap' {
    return this.#receipts.accept(sequence, bytes, acknowledgeNow);
  }

  /** Where the payload of a frame that comes in pieces is gathered: in its message, when it is the next of one that has begun. */
  place(type: FrameType, flags: number, typeId: number, sequence: number, length: number): Uint8Array | null {
    const isChunk = type === frameTypes.chunk;
    const isLast = type <= frameTypes.error && (flags & flagBits.completes) !== 0;
    if (!(isChunk || isLast) || sequence !== after(this.received)) return null;
    const ofAnswer = isChunk ? typeId === 1 : type >= frameTypes.response;
    return this.assembly.place((flags & flagBits.priority) + (ofAnswer ? 4 : 0), length);
  }

  get owesAck(): boolean {
    return this.#receipts.isOwed || this.receiveCredit.dirty;
  }

  /** It is time to acknowledge even if nothing else is to be sent. */
  get ackIsDue(): boolean {
    return this.#receipts.isDue || this.receiveCredit.urgent;
  }

  /** So much is owed that the peer may be waiting for it. */
  get ackIsUrgent(): boolean {
    return this.#receipts.isUrgent;
  }

  acknowledgeSoon(): void {
    if (this.owesAck) this.#receipts.isWanted = true;
  }

  writeAck(into: Uint8Array, at: number): number {
    writeHeader(into, at, 0, frameTypes.ack, 0, 0, 0, this.received);
    this.#receipts.told();
    let end = at + headerBytes;
    if (this.receiveCredit.dirty) {
      this.receiveCredit.announce((stream, consumed) => {
        writeHeader(into, end, 0, frameTypes.credit, stream, 0, 0, consumed);
        end += headerBytes;
      });
    }
    return end;
  }

  /** The session is over: what was written and not acknowledged is abandoned. Returns the one-way messages lost. */
  abandonSent(): number {
    let lost = 0;
    this.lostInFlight = this.#unacked.size > 0;
    this.#unacked.clear((item) => {
      if (item.type === frameTypes.message && item.waiter === null) lost++;
    });
    for (const request of this.inbound.values()) {
      request.live = false;
      request.onCancel?.();
    }
    this.inbound.clear();
    return lost;
  }

  /** What was never written is given back. Returns the one-way messages dropped. */
  abandonQueued(): number {
    let dropped = 0;
    this.queue.drain((item) => {
      if (item.type === frameTypes.message && item.waiter === null) dropped++;
      const { waiter } = item;
      item.waiter = null;
      waiter?.abandoned(false);
    });
    return dropped;
  }

  readonly #release = (item: Outgoing): void => this.arena.release(item);
  readonly #over = (item: Outgoing): void => {
    this.arena.release(item);
    if (item.type === frameTypes.chunk) this.queue.arrived(item);
  };
}

export const priorityOf = (flags: number): Priority => priorities[flags & 3] as Priority;
