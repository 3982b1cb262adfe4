/** A request, or a message whose arrival matters, from the moment it is given until its one answer. */
import type { ClusterError, Done } from '@cluster/core';
import { unreachable } from '../core/refusal.ts';
import type { Deadline, DeadlineWheel } from '../core/deadlines.ts';
import type { Outgoing, Waiter } from '../core/outgoing.ts';
import { maybeDelivered, refusalError, timedOut, transportClosed } from '../errors.ts';
import type { PendingCall } from './carrier.ts';
import type { Delivery } from './delivery.ts';

export class Call implements PendingCall, Waiter, Deadline {
  readonly stream: number;
  readonly delivery: Delivery;
  readonly until: PendingCall['until'];
  /** In which its frame goes, as the frame header has it. */
  readonly priority: number;
  readonly startedMs: number;
  readonly timeoutMs: number;
  /** Its frame, until the peer has it; null for a ping. */
  outgoing: Outgoing | null = null;
  dueTick = 0;
  previous: Deadline | null = null;
  next: Deadline | null = null;
  why: PendingCall['why'] = 'it was resent too often';
  #done: Done<Uint8Array> | null;
  #armed = false;
  #arrived = false;
  readonly #wheel: DeadlineWheel;
  readonly #onTimeout: (call: Call) => void;

  constructor(
    delivery: Delivery,
    until: PendingCall['until'],
    priority: number,
    timeoutMs: number,
    nowMs: number,
    wheel: DeadlineWheel,
    onTimeout: (call: Call) => void,
    done: Done<Uint8Array>,
  ) {
    this.stream = delivery.calls.nextStream();
    this.delivery = delivery;
    this.until = until;
    this.priority = priority;
    this.startedMs = nowMs;
    this.timeoutMs = timeoutMs;
    this.#wheel = wheel;
    this.#onTimeout = onTimeout;
    this.#done = done;
    delivery.calls.add(this);
    delivery.calls.lastStartedMs = nowMs;
    this.#countAnswers(1);
    wheel.add(this, nowMs + timeoutMs);
    this.#armed = true;
  }

  get settled(): boolean {
    return this.#done === null;
  }

  get sent(): boolean {
    return this.#arrived || (this.outgoing !== null && this.outgoing.attempts > 0);
  }

  succeed(bytes: Uint8Array): void {
    const done = this.#settle();
    if (done === null) return;
    this.delivery.calls.succeeded++;
    done({ ok: true, value: bytes });
  }

  fail(error: ClusterError): void {
    this.#settle()?.({ ok: false, error });
  }

  acknowledged(): void {
    this.#arrived = true;
    // With it goes the block it was written to: a handler may take its time.
    this.outgoing = null;
    if (this.until === 'arrival') this.succeed(nothing);
  }

  abandoned(sent: boolean): void {
    const { node: peer, refusal } = this.delivery;
    if (sent) this.fail(maybeDelivered(peer, this.why, refusal));
    else this.fail(refusalError(peer, refusal ?? unreachable));
  }

  expire(): void {
    this.#armed = false;
    const { sent } = this;
    this.#onTimeout(this);
    this.fail(timedOut(this.delivery.node, this.timeoutMs, sent));
  }

  close(): void {
    const { outgoing, sent } = this;
    // Said to be safe to repeat: so it must not leave with what is drained.
    if (outgoing !== null && !sent) this.delivery.queue.cancel(outgoing);
    this.fail(transportClosed(sent));
  }

  #settle(): Done<Uint8Array> | null {
    const done = this.#done;
    this.#done = null;
    if (done === null) return null;
    if (this.#armed) this.#wheel.remove(this);
    this.#armed = false;
    this.delivery.calls.delete(this.stream);
    this.#countAnswers(-1);
    if (this.outgoing !== null) this.outgoing.waiter = null;
    return done;
  }

  /** A large answer is gathered only where one is due. */
  #countAnswers(more: 1 | -1): void {
    const { answersDue } = this.delivery.calls;
    if (this.until === 'answer') answersDue[this.priority] = (answersDue[this.priority] as number) + more;
  }
}

const nothing = new Uint8Array(0);
