/**
 * What waits to be written to a peer, by priority. The order is decided when there is room in the socket, not when the message
 * was given: Critical first, but never more than four fifths while others wait; the others share by deficit round robin
 * (Shreedhar and Varghese, 1995), 8 : 4 : 1 by bytes, so that nothing starves. Within a priority, first come first served, except
 * that large answers go in a lane of their own beside it, because nobody waits for answers in order.
 *
 * A large message leaves in chunks, and between two chunks anything else may go.
 */
import { payloadAt } from './arena.ts';
import { laneCount } from './assembly.ts';
import type { Shrink } from './compression.ts';
import { messageOverheadBytes, type SendCredit } from './credit.ts';
import { Fifo } from './fifo.ts';
import type { Outgoing } from './outgoing.ts';
import { chunkBytes, flagBits, frameTypes, headerBytes, wholeBytesMax } from '../wire/frame.ts';

/** By lane; those aside have the share of their priority, and nothing large is critical. */
const quanta = [0, 8, 4, 1, 8, 8, 4, 1].map((share) => share * 4096);
/** What Critical may owe the others before one of them goes first. */
const owedBytesMax = 65_536;

export class SendQueue {
  readonly #lanes = Array.from({ length: laneCount }, () => new Fifo<Outgoing>());
  readonly #deficits = new Float64Array(laneCount);
  #turn = laneCount - 1;
  #owed = 0;
  #size = 0;
  #bytes = 0;
  #begunBytes = 0;
  /** The same, by lane. */
  readonly #begun = new Float64Array(laneCount);
  #credit: SendCredit;
  readonly #release: (item: Outgoing) => void;
  /** Both sides compress. Null: all goes as it is, whatever its sender has asked for. */
  shrink: Shrink | null = null;
  /** Of each lane: what its first message was before it was compressed, while parts of that have not left. */
  readonly #plain: (Plain | null)[] = Array.from({ length: laneCount }, () => null);

  /** @param release nothing wants the bytes of what was not written any more. */
  constructor(credit: SendCredit, release: (item: Outgoing) => void = () => undefined) {
    this.#credit = credit;
    this.#release = release;
  }

  /** Messages waiting. */
  get size(): number {
    return this.#size;
  }

  /** Something Critical waits. */
  get isUrgent(): boolean {
    return (this.#lanes[0] as Fifo<Outgoing>).size > 0;
  }

  /** Payload and header bytes waiting. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Of messages that have left in part, what has arrived: it is wanted again if they have to begin anew. */
  get begunBytes(): number {
    return this.#begunBytes;
  }

  /** A chunk has arrived. */
  arrived({ flags, typeId, length }: Outgoing): void {
    const lane = (flags & flagBits.priority) + (typeId === 1 ? 4 : 0);
    if ((this.#lanes[lane]?.peek()?.cut ?? 0) === 0) return;
    this.#begun[lane] = (this.#begun[lane] as number) + length;
    this.#begunBytes += length;
  }

  push(item: Outgoing): void {
    (this.#lanes[laneOf(item)] as Fifo<Outgoing>).push(item);
    this.#size++;
    this.#bytes += sizeOf(item);
  }

  /** Takes back what has not been written yet; of what has been written in part, the peer is told to drop it. */
  cancel(item: Outgoing): void {
    if (item.cancelled) return;
    this.#bytes -= sizeOf(item);
    item.cancelled = true;
    item.total = wholeOf(item);
    if (item.cut > 0) this.#bytes += headerBytes;
    else {
      this.#size--;
      // The object stays in its lane until its turn; what it holds need not.
      this.#release(item);
    }
    item.bytes = empty;
    item.length = 0;
  }

  /** A new session: what has been written in part begins again. */
  restart(credit: SendCredit): void {
    this.#credit = credit;
    this.#begun.fill(0);
    this.#begunBytes = 0;
    for (const [index, lane] of this.#lanes.entries()) {
      const plain = this.#plain[index] ?? null;
      this.#plain[index] = null;
      const head = lane.peek();
      if (head === undefined || head.cut === 0) continue;
      if (head.cancelled) {
        this.#size--;
        this.#bytes -= headerBytes;
        this.#release(head);
      } else {
        this.#bytes -= sizeOf(head);
        if (plain !== null) {
          Object.assign(head, plain);
          head.flags |= flagBits.compressed;
        }
        this.#bytes += headerBytes + head.length;
      }
      head.cut = 0;
    }
  }

  /** What to write next: a message, or a chunk of one. Undefined when nothing waits, or the peer has no room for it. */
  next(): Outgoing | undefined {
    if (this.#size === 0) {
      // Only cancelled ones are left, if any: let them go.
      for (const lane of this.#lanes) while (lane.shift() !== undefined);
      return undefined;
    }
    const critical = this.#head(0);
    if (critical === undefined) this.#owed = 0;
    else if (this.#owed <= owedBytesMax) return this.#critical(critical);
    const other = this.#others();
    if (other !== undefined) {
      this.#owed = Math.max(0, this.#owed - headerBytes - other.length);
      return other;
    }
    this.#owed = 0;
    return critical === undefined ? undefined : this.#critical(critical);
  }

  /** What is Critical, unless others are to go first. */
  nextCritical(): Outgoing | undefined {
    const critical = this.#head(0);
    return critical === undefined || this.#owed > owedBytesMax ? undefined : this.#critical(critical);
  }

  /** The session is over: its streams, answers to its requests and what takes requests back would hit others in the next one. */
  endSession(): void {
    for (const lane of this.#lanes) {
      for (let left = lane.size; left > 0; left--) {
        const item = lane.shift() as Outgoing;
        const isBound = item.type >= frameTypes.open || item.type === frameTypes.cancel || isAnswer(item);
        if (!isBound) lane.push(item);
        else {
          this.#size--;
          this.#bytes -= sizeOf(item);
          this.#release(item);
        }
      }
    }
  }

  /** For abandoning all: whole messages, in any order, whether or not the peer has room. */
  drain(visit: (item: Outgoing) => void): void {
    for (const lane of this.#lanes) {
      for (let item = lane.shift(); item !== undefined; item = lane.shift()) {
        if (!item.cancelled) visit(item);
        this.#release(item);
      }
    }
    this.#plain.fill(null);
    this.#size = 0;
    this.#bytes = 0;
    this.#begun.fill(0);
    this.#begunBytes = 0;
  }

  #critical(head: Outgoing): Outgoing {
    const item = this.#take(0, head);
    this.#owed += (headerBytes + item.length) / 4;
    return item;
  }

  #others(): Outgoing | undefined {
    // Lanes in a row that have nothing to give.
    for (let idle = 0; idle < laneCount - 1;) {
      const turn = this.#turn;
      const head = this.#head(turn);
      if (head === undefined) {
        idle++;
        this.#deficits[turn] = 0;
      } else if ((this.#deficits[turn] as number) > 0) {
        const item = this.#take(turn, head);
        this.#deficits[turn] = (this.#deficits[turn] as number) - headerBytes - item.length;
        return item;
      } else idle = 0;
      this.#turn = turn === laneCount - 1 ? 1 : turn + 1;
      this.#deficits[this.#turn] = (this.#deficits[this.#turn] as number) + (quanta[this.#turn] as number);
    }
    return undefined;
  }

  /** The first of a lane that may be written now. */
  #head(index: number): Outgoing | undefined {
    const lane = this.#lanes[index] as Fifo<Outgoing>;
    for (let item = lane.peek(); item !== undefined; item = lane.peek()) {
      if (item.cancelled && item.cut === 0) {
        lane.shift();
        continue;
      }
      const cost = item.cut > 0 ? 0 : costOf(item);
      return cost === 0 || this.#credit.allows(index, cost) ? item : undefined;
    }
    return undefined;
  }

  #take(index: number, item: Outgoing): Outgoing {
    if (item.cut === 0) {
      const cost = costOf(item);
      if (cost > 0) this.#credit.charge(index, cost);
      if ((item.flags & flagBits.compressed) !== 0) this.#compress(index, item);
    }
    if (!item.cancelled && item.length - item.cut > wholeBytesMax) {
      const chunk = chunkOf(item, index);
      this.#bytes -= chunk.length;
      item.cut += chunk.length;
      return chunk;
    }
    (this.#lanes[index] as Fifo<Outgoing>).shift();
    this.#plain[index] = null;
    this.#size--;
    this.#bytes -= sizeOf(item);
    if (item.cut === 0) return item;
    this.#begunBytes -= this.#begun[index] as number;
    this.#begun[index] = 0;
    item.flags |= flagBits.completes;
    if (item.cancelled) giveUp(item);
    else {
      item.total = wholeOf(item);
      item.from = payloadAt(item, item.cut);
      item.length -= item.cut;
    }
    return item;
  }

  /** Until now the flag was a wish. */
  #compress(index: number, item: Outgoing): void {
    const { bytes, from, length } = item;
    const shrunk = this.shrink?.(bytes.subarray(from, from + length)) ?? null;
    if (shrunk === null) {
      item.flags &= ~flagBits.compressed;
      return;
    }
    this.#plain[index] = { bytes, from, length };
    // It is charged for what it will be, and counts for what it was until all of it has left: it may have to begin again.
    item.total = length;
    item.bytes = shrunk;
    item.from = 0;
    item.length = shrunk.length;
  }
}

type Plain = Pick<Outgoing, 'bytes' | 'from' | 'length'>;

const isLarge = ({ length }: Outgoing): boolean => length > wholeBytesMax;
const isAnswer = ({ type }: Outgoing): boolean => type === frameTypes.response || type === frameTypes.error;

const laneOf = (item: Outgoing): number => (item.flags & 3) + (isAnswer(item) && isLarge(item) ? 4 : 0);

const sizeOf = ({ length, total, cut, cancelled }: Outgoing): number =>
  headerBytes + (cancelled ? 0 : Math.max(total, length) - cut);

/** What a message is charged for; answers are bounded by the calls they answer. */
export function costOf(item: Outgoing): number {
  const { type } = item;
  const isCharged = type === frameTypes.message || type === frameTypes.request;
  return isCharged ? messageOverheadBytes + wholeOf(item) : 0;
}

/** Its length, also when less of it is left, or it was compressed. */
const wholeOf = ({ length, total }: Outgoing): number => Math.max(total, length);

/** Makes it the frame that tells the peer to expect nothing more: how much was charged is in its `stream`. */
export function giveUp(item: Outgoing): void {
  const cost = costOf(item);
  item.typeId = isAnswer(item) ? 1 : 0;
  item.type = frameTypes.void;
  item.stream = cost;
  item.bytes = empty;
  item.length = 0;
}

function chunkOf(item: Outgoing, lane: number): Outgoing {
  const { flags, bytes, length, block, framed, cut } = item;
  if (block !== null) block.live++;
  return {
    type: frameTypes.chunk,
    flags: flags & flagBits.priority,
    typeId: lane > 3 ? 1 : 0,
    stream: length,
    bytes,
    from: payloadAt(item, cut),
    length: chunkBytes,
    block,
    framed,
    waiter: null,
    attempts: 0,
    cancelled: false,
    cut: 0,
    total: 0,
  };
}

const empty = new Uint8Array(0);
