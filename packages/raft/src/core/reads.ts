/**
 * Linearizable reads on whichever node they are made (thesis 6.4): ask the leader how far the log is, wait until that is applied here.
 *
 * All reads that wait share one request to the leader, and those that come while it is out share the next. A read changes nothing,
 * so it is asked again without a second thought when a leader is lost or an answer fails to come.
 *
 * A read that may be stale by so much rests on the last answer, as long as that was asked for no longer ago: everything acknowledged
 * before it was asked for is in it. So the bound is by this node's clock alone, whatever the others' say and however long messages take.
 */
import { Prng } from '@cluster/core';
import type { ReadKey } from './read-rounds.ts';
import type { Shared } from './state.ts';
import type { RaftOut, ReadCall } from './inputs-and-effects.ts';
import type { Answer } from './types.ts';

interface Asked {
  readonly request: number;
  readonly term: number;
  readonly refs: readonly number[];
  /** When it was first asked; null when the clock cannot be trusted since. */
  sinceMs: number | null;
  sentMs: number;
}

/** The last answer: no write acknowledged before `sinceMs` lies behind `index`. */
interface Known {
  readonly sinceMs: number;
  readonly index: number;
}

interface Agreed {
  readonly index: number;
  readonly refs: readonly number[];
}

export interface ReadsCheckpoint {
  readonly boot: number;
  readonly requests: number;
  readonly deadlines: readonly (readonly [number, number])[];
  readonly waiting: readonly number[];
  readonly asked: Asked | null;
  readonly agreed: readonly Agreed[];
  readonly known: Known | null;
  readonly sweeping: boolean;
  readonly leased: number;
}

const sweepTimer = 'reads';
// A boot id only has to differ from that of the incarnation before.
const bootIds = 2 ** 32;

export class Reads {
  readonly #shared: Shared;
  readonly #askHere: (node: string, key: ReadKey) => void;
  readonly #leaseHolds: (nowMs: number) => boolean;
  // By ref: every read that has no answer yet. The lists below may name others, which are passed over.
  readonly #deadlines = new Map<number, number>();
  #waiting: number[] = [];
  #asked: Asked | null = null;
  // The index is known, and not applied here yet.
  #agreed: Agreed[] = [];
  #known: Known | null = null;
  #boot = 0;
  #requests = 0;
  #sweeping = false;
  #leased = 0;

  /**
   * @param askHere takes the request when this node leads.
   * @param leaseHolds whether this node leads, and no other can.
   */
  constructor(
    shared: Shared,
    askHere: (node: string, key: ReadKey) => void,
    leaseHolds: (nowMs: number) => boolean,
  ) {
    this.#shared = shared;
    this.#askHere = askHere;
    this.#leaseHolds = leaseHolds;
  }

  get size(): number {
    return this.#deadlines.size;
  }

  /** Reads that were answered by a lease since the start. */
  get leased(): number {
    return this.#leased;
  }

  /** @param seed differs between incarnations: an answer to one must not pass for an answer to the next, whose reads are later. */
  start(seed: number): void {
    this.#boot = Prng.fromSeed(seed, 'reads').below(bootIds);
  }

  read({ ref, timeoutMs, byLease, staleMsMax = 0 }: ReadCall, nowMs: number, out: RaftOut): void {
    if (this.#deadlines.size >= this.#shared.config.pendingProposalsMax) {
      return out.emit({ type: 'respond', ref, answer: { status: 'tooManyPending', submitted: false } });
    }
    this.#deadlines.set(ref, nowMs + timeoutMs);
    if (byLease === true && this.#leaseHolds(nowMs)) {
      this.#agreed.push({ index: this.#shared.commitIndex, refs: [ref] });
      this.#leased++;
    } else if (this.#known !== null && nowMs - this.#known.sinceMs < staleMsMax) {
      this.#agreed.push({ index: this.#known.index, refs: [ref] });
    } else this.#waiting.push(ref);
    this.#arm(out);
  }

  /** More time may have passed than the clock says. */
  doubtClock(): void {
    this.#known = null;
    if (this.#asked !== null) this.#asked.sinceMs = null;
  }

  abandon(ref: number, out: RaftOut): void {
    this.#answer(ref, { status: 'abandoned', submitted: false }, out);
  }

  /** After every input: asks as soon as there is somebody to ask. */
  advance(nowMs: number, out: RaftOut): void {
    if (this.#deadlines.size === 0) return;
    const { term, leaderId } = this.#shared;
    if (this.#asked !== null && (this.#asked.term !== term || leaderId === null)) {
      // That leader is gone. What it still may answer is true, but nobody waits for it.
      this.#waiting.unshift(...this.#asked.refs);
      this.#asked = null;
    }
    if (this.#asked !== null || this.#waiting.length === 0 || leaderId === null) return;
    this.#asked = { request: ++this.#requests, term, refs: this.#waiting, sinceMs: nowMs, sentMs: nowMs };
    this.#waiting = [];
    this.#send(this.#asked, leaderId, out);
  }

  /** The leader has answered: `index` was committed no earlier than the request was made. */
  answered({ boot, request }: ReadKey, index: number): void {
    if (boot !== this.#boot || this.#asked?.request !== request) return;
    const { refs, sinceMs } = this.#asked;
    this.#agreed.push({ index, refs });
    if (sinceMs !== null) this.#known = { sinceMs, index };
    this.#asked = null;
  }

  /** After every input: answers what is applied here. */
  serve(appliedIndex: number, out: RaftOut): void {
    if (this.#agreed.length === 0) return;
    const { term } = this.#shared;
    for (const { index, refs } of this.#agreed) {
      if (index > appliedIndex) continue;
      for (const ref of refs) {
        this.#answer(ref, { status: 'applied', index, term, result: new Uint8Array(0) }, out);
      }
    }
    this.#agreed = this.#agreed.filter(({ index }) => index > appliedIndex);
  }

  fire(timer: string, nowMs: number, out: RaftOut): boolean {
    if (timer !== sweepTimer) return false;
    this.#sweeping = false;
    for (const [ref, deadlineMs] of this.#deadlines) {
      if (deadlineMs <= nowMs) this.#answer(ref, { status: 'timeout', submitted: false }, out);
    }
    const isOpen = (ref: number): boolean => this.#deadlines.has(ref);
    this.#waiting = this.#waiting.filter(isOpen);
    this.#agreed = this.#agreed.filter(({ refs }) => refs.some(isOpen));
    if (this.#asked !== null && !this.#asked.refs.some(isOpen)) this.#asked = null;
    this.#repeat(nowMs, out);
    this.#arm(out);
    return true;
  }

  /** Sent so long ago that the request or its answer may be lost. */
  #repeat(nowMs: number, out: RaftOut): void {
    const { leaderId, config } = this.#shared;
    const asked = this.#asked;
    if (asked === null || leaderId === null || nowMs - asked.sentMs < config.electionTimeoutMinMs) return;
    asked.sentMs = nowMs;
    this.#send(asked, leaderId, out);
  }

  #send({ request }: Asked, leaderId: string, out: RaftOut): void {
    const { isLeader, config, term } = this.#shared;
    const key = { boot: this.#boot, request };
    if (isLeader) this.#askHere(config.nodeId, key);
    else this.#shared.send(out, leaderId, { type: 'readRequest', term, ...key });
  }

  #answer(ref: number, answer: Answer, out: RaftOut): void {
    if (this.#deadlines.delete(ref)) out.emit({ type: 'respond', ref, answer });
  }

  #arm(out: RaftOut): void {
    if (this.#sweeping || this.#deadlines.size === 0) return;
    this.#sweeping = true;
    out.emit({ type: 'setTimer', timer: sweepTimer, delayMs: this.#shared.config.heartbeatMs });
  }

  checkpoint(): ReadsCheckpoint {
    return {
      boot: this.#boot,
      requests: this.#requests,
      deadlines: [...this.#deadlines],
      waiting: [...this.#waiting],
      asked: this.#asked && { ...this.#asked },
      agreed: [...this.#agreed],
      known: this.#known,
      sweeping: this.#sweeping,
      leased: this.#leased,
    };
  }

  restore(from: ReadsCheckpoint): void {
    this.#boot = from.boot;
    this.#requests = from.requests;
    this.#deadlines.clear();
    for (const [ref, deadlineMs] of from.deadlines) this.#deadlines.set(ref, deadlineMs);
    this.#waiting = [...from.waiting];
    this.#asked = from.asked && { ...from.asked };
    this.#agreed = [...from.agreed];
    this.#known = from.known;
    this.#sweeping = from.sweeping;
    this.#leased = from.leased;
  }
}
