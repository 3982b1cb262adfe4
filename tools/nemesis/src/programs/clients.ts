/**
 * Closed-loop clients: each does one thing, waits for what becomes of it, writes that down, and does the next.
 *
 * Half of the clients use sessions and repeat what got no answer, and now and then what nobody had a chance to answer; the others give up on it, and their operation counts as unknown. A
 * refusal that claims to have had no effect is repeated by all, so a false claim shows as a write applied twice.
 */
import type { Prng } from '@cluster/core';
import type { Consistency, ReadResult, Request, Session, Write, WriteResult } from '../kv/commands.ts';
import type { Operation, OperationKind, Value } from '../history/operation.ts';
import type { Gateway, Reply } from './gateway.ts';

export interface Journal {
  write(operation: Operation): void;
  /** A number nobody has had. */
  newClient(): number;
  /** Monotonic nanoseconds. */
  now(): number;
}

export interface Surroundings {
  readonly gateway: Gateway;
  readonly nodeIds: readonly string[];
  readonly journal: Journal;
}

interface Outcome<R> {
  readonly result: R | null;
  /** Without a result: whether it may have had an effect all the same. */
  readonly maybe: boolean;
}

const pauseMs = 20;
/** Of a session's commands, those that are sent twice; of the counts every second one. */
const repeatEvery = 8;
const repeatCountEvery = 2;
/** Of the reads that may be answered from a lease, those that go to another node than the one before. */
const moveEvery = 4;
const pause = (): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, pauseMs);
  });

export interface Habits {
  readonly usesSession: boolean;
  /** Of its reads. */
  readonly consistency?: Consistency;
}

export class Client {
  readonly #around: Surroundings;
  readonly #prng: Prng;
  readonly #usesSession: boolean;
  readonly #consistency: Consistency;
  #number: number;
  #node: number;
  #clientId: number | null = null;
  #sequence = 0;

  constructor(around: Surroundings, prng: Prng, { usesSession, consistency = 'linearizable' }: Habits) {
    this.#around = around;
    this.#prng = prng;
    this.#usesSession = usesSession;
    this.#consistency = consistency;
    this.#number = around.journal.newClient();
    this.#node = prng.below(around.nodeIds.length);
  }

  get number(): number {
    return this.#number;
  }

  /** Reads, asking one node after the other until one answers. */
  async get(key: string, patienceMs: number): Promise<Value | undefined> {
    const { journal } = this.#around;
    const call = journal.now();
    const result = await this.#read(key, patienceMs);
    const status = result === null ? 'fail' : 'ok';
    this.#record('get', key, { value: result?.value ?? null, expect: null, call, status });
    return result?.value;
  }

  /** What a counter has come to; null when nobody answers. Not written down. */
  async readCount(key: string, patienceMs: number): Promise<number | null> {
    return (await this.#read(key, patienceMs))?.count ?? null;
  }

  async #read(key: string, patienceMs: number): Promise<ReadResult | null> {
    // A lease matters where somebody leads, or did: whoever relies on it asks around.
    if (this.#consistency === 'lease' && this.#prng.below(moveEvery) === 0) this.#node = this.#other();
    const request: Request = { type: 'read', key, consistency: this.#consistency };
    return (await this.#insist<ReadResult>(() => request, true, patienceMs)).result;
  }

  /** True: done; false: it was not, for certain; null: nobody knows. */
  async write(write: Exclude<Write, { op: 'count' }>, patienceMs: number): Promise<boolean | null> {
    const { journal } = this.#around;
    const call = journal.now();
    const { result, maybe } = await this.#propose(write, patienceMs);
    const value = 'value' in write ? write.value : null;
    const expect = 'expect' in write ? write.expect : null;
    // A swap that fails says that it has compared; one that never got there says nothing.
    const certain = result !== null || (!maybe && write.op !== 'cas');
    const status = !certain ? 'info' : result?.done === true ? 'ok' : 'fail';
    this.#record(write.op, write.key, { value, expect, call, status });
    return certain ? result?.done === true : null;
  }

  /** Counts one up; null: nobody knows. Not written down. */
  async count(key: string, patienceMs: number): Promise<number | false | null> {
    const { result, maybe } = await this.#propose({ op: 'count', key }, patienceMs);
    if (result === null) return maybe ? null : false;
    return result.count ?? null;
  }

  #record(
    op: OperationKind,
    key: string,
    rest: Pick<Operation, 'value' | 'expect' | 'call' | 'status'>,
  ): void {
    const { journal } = this.#around;
    const { value, expect, call, status } = rest;
    const end = status === 'info' ? null : journal.now();
    journal.write({ client: this.#number, op, key, value, expect, call, return: end, status });
    // Its operation may still be under way somewhere: nobody must take it for one that is over.
    if (status === 'info') this.#number = journal.newClient();
  }

  async #propose(write: Write, patienceMs: number): Promise<Outcome<WriteResult>> {
    const deadlineMs = performance.now() + patienceMs;
    const session = await this.#session(deadlineMs);
    if (session === undefined) return { result: null, maybe: false };
    const request: Request = { type: 'write', write, session };
    const every = write.op === 'count' ? repeatCountEvery : repeatEvery;
    const twice = session !== null && this.#prng.below(every) === 0;
    // Through another node, which may be faster or much slower; what it answers does not matter.
    if (twice) void this.#around.gateway.ask(this.#around.nodeIds[this.#other()] ?? '', request);
    const left = deadlineMs - performance.now();
    const { result, maybe } = await this.#insist<WriteResult>(() => request, session !== null, left);
    return { result, maybe: maybe || twice };
  }

  /** The session's next command; null without a session; undefined when none could be opened. */
  async #session(deadlineMs: number): Promise<Session | null | undefined> {
    if (!this.#usesSession) return null;
    if (this.#clientId === null) {
      const left = deadlineMs - performance.now();
      // Opening one more than needed does no harm.
      const opened = await this.#insist<{ readonly clientId: number }>(
        () => ({ type: 'openSession' }),
        true,
        left,
      );
      if (opened.result === null) return undefined;
      this.#clientId = opened.result.clientId;
      this.#sequence = 0;
    }
    return { clientId: this.#clientId, sequence: ++this.#sequence };
  }

  #other(): number {
    const { nodeIds } = this.#around;
    return (this.#node + 1 + this.#prng.below(nodeIds.length - 1)) % nodeIds.length;
  }

  /** Asks until there is an answer, somebody has to be believed that there will be none, or patience ends. */
  async #insist<R>(request: () => Request, mayRepeat: boolean, patienceMs: number): Promise<Outcome<R>> {
    const { gateway, nodeIds } = this.#around;
    const deadlineMs = performance.now() + patienceMs;
    let maybe = false;
    for (;;) {
      const reply: Reply = await gateway.ask(nodeIds[this.#node] ?? '', request());
      if (reply.type === 'answered') return { result: reply.result as R, maybe };
      this.#node = this.#other();
      // To repeat is safe within a session; that says nothing about what the first attempt did.
      if (reply.type === 'unknown' || (mayRepeat && reply.sent)) maybe = true;
      if (reply.code === 'RAFT_SESSION_EXPIRED') {
        this.#clientId = null;
        return { result: null, maybe };
      }
      if ((maybe && !mayRepeat) || performance.now() > deadlineMs) return { result: null, maybe };
      await pause();
    }
  }
}
