/**
 * The lease in a replicated log: every replica holds the ledger and applies the same requests in the same order.
 *
 * A log has no clock, and replicas that looked at their own while they apply would say different things. So time enters as a fact
 * that a request brings along: the index up to which its asker has outlasted everything. A holder counts a renewal from when it
 * asked, which is before its request has an index, which is before anybody applies that; whoever has waited for `outlastMs` by its own
 * clock since it applied index k knows that no renewal up to k counts any more. If the holder has renewed since, its renewal lies
 * behind k, and the request changes nothing; if it renews afterwards, it is fenced and hears so. No clock is compared with another,
 * no leader is needed to measure, and a pause, a restart or a late request only make the wait longer. (LeaseGuard, too, makes the
 * log the lease.) What was rejected: time stamps of the leader's in the log, which jump with every change of leader.
 */
import type { Clock, Done } from '@cluster/core';
import * as z from 'zod';
import { type LeaseAnswer, LeaseLedger, type LeaseLedgerState, type LeaseRequest } from './lease-ledger.ts';
import type { LeasePort } from './quorum-ports.ts';

const name = z.string().min(1).max(128);
const boot = z.string().min(1).max(64);
const names = z.array(name).max(128).readonly();
const place = z.int().min(0);

const commandSchema = z.strictObject({ node: name, boot, without: names, outlasted: place });
const answerSchema = z.strictObject({
  granted: z.boolean(),
  reason: z.enum(['fenced', 'outside']).nullable(),
  epoch: place,
  fenced: z.array(z.string().max(200)).readonly(),
  pending: z.boolean(),
});
const stateSchema = z.strictObject({
  epoch: place,
  claim: z.strictObject({ without: names, at: place }).nullable(),
  holders: z.array(z.tuple([name, z.strictObject({ boot, renewedAt: place })]).readonly()).readonly(),
  fenced: z.array(z.tuple([z.string().max(200), name]).readonly()).readonly(),
}) satisfies z.ZodType<LeaseLedgerState>;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const encode = (value: unknown): Uint8Array => encoder.encode(JSON.stringify(value));

/** Null for what is none. */
function decode<T>(schema: z.ZodType<T>, bytes: Uint8Array): T | null {
  try {
    const parsed = schema.safeParse(JSON.parse(decoder.decode(bytes)));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** The ledger as a log's state machine. Equal requests in equal order give equal answers and images everywhere. */
export class LeaseReplica {
  readonly #ledger = new LeaseLedger();

  get epoch(): number {
    return this.#ledger.epoch;
  }

  /** @returns the answer, for whoever proposed it. What is no request changes nothing, and its answer is empty. */
  apply(index: number, command: Uint8Array): Uint8Array {
    const request = decode(commandSchema, command);
    // Of the future nobody can have waited for the end.
    if (request === null || request.outlasted >= index) return new Uint8Array(0);
    return encode(this.#ledger.take(request, index, request.outlasted));
  }

  image(): Uint8Array {
    return encode(this.#ledger.state());
  }

  /** @returns false for what is no image; nothing has changed then. */
  install(image: Uint8Array): boolean {
    const state = decode(stateSchema, image);
    if (state !== null) this.#ledger.restore(state);
    return state !== null;
  }
}

interface Mark {
  readonly index: number;
  readonly atMs: number;
}

export interface LoggedLeaseOptions {
  readonly clock: Clock;
  /** `quorumTtlMs` and its margin (`outlastMs` of the configuration). */
  readonly outlastMs: number;
  /** Puts a request into the log; gives the answer that applying it gave. It may come late, or be applied twice. */
  readonly propose: (command: Uint8Array, done: Done<Uint8Array>) => void;
}

// As often as the wait is looked at: it may take longer by this share of it.
const marksPerWait = 16;

/** The lease as a node asks for it: proposes to the log, and measures what it has outlasted. */
export class LoggedLease implements LeasePort {
  readonly #options: LoggedLeaseOptions;
  // What was applied here and when, oldest first; of those that are outlasted only the last is kept.
  #marks: Mark[] = [];

  constructor(options: LoggedLeaseOptions) {
    this.#options = options;
  }

  /** This process has applied the log up to here, or has put a snapshot of it in place. */
  applied(index: number): void {
    const atMs = this.#options.clock.nowMs();
    const last = this.#marks.at(-1);
    if (last?.atMs === atMs) this.#marks.pop();
    else if (last !== undefined && atMs - last.atMs < this.#options.outlastMs / marksPerWait) return;
    this.#marks.push({ index, atMs });
    this.#prune(atMs);
  }

  /** No renewal up to here counts any more; 0 while nothing is known to be over. */
  get outlasted(): number {
    const nowMs = this.#options.clock.nowMs();
    this.#prune(nowMs);
    const [first] = this.#marks;
    return first !== undefined && this.#isOver(first, nowMs) ? first.index : 0;
  }

  take(request: LeaseRequest, done: Done<LeaseAnswer>): void {
    const { node, boot, without } = request;
    const command = encode({ node, boot, without, outlasted: this.outlasted });
    this.#options.propose(command, (outcome) => {
      if (!outcome.ok) return done(outcome);
      const value = decode(answerSchema, outcome.value);
      // A log that answers something else counts as none.
      if (value !== null) done({ ok: true, value });
    });
  }

  #isOver({ atMs }: Mark, nowMs: number): boolean {
    return nowMs - atMs > this.#options.outlastMs;
  }

  #prune(nowMs: number): void {
    const over = this.#marks.findLastIndex((mark) => this.#isOver(mark, nowMs));
    if (over > 0) this.#marks = this.#marks.slice(over);
  }
}
