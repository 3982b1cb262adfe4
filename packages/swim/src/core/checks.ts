/** Addresses being checked before anything rests on them: of newcomers, of others that use our name, of those that left and moved. */
import {
  type ActionOf,
  type Address,
  MachineTable,
  type Sink,
  Stepper,
  type TableCheckpoint,
} from '@cluster/core';
import { checkMachine } from './check.machine.ts';
import type { SwimEffect } from './effects.ts';
import type { OldPlace } from './membership.ts';
import type { PushPull } from './messages.ts';
import type { Pool } from './pool.ts';
import type { Prober } from './prober.ts';

type Out = Sink<SwimEffect>;

export type CheckReason =
  /** Waiting on its stream with its half of a push/pull. */
  | { readonly kind: 'newcomer'; readonly stream: number; readonly content: PushPull }
  | { readonly kind: 'rival' }
  | { readonly kind: 'oldPlace'; readonly place: OldPlace };

export interface Check {
  readonly address: Address;
  readonly node: string;
  readonly seqNo: number;
  reason: CheckReason;
  attemptsLeft: number;
}

export interface ChecksCheckpoint {
  readonly rows: readonly Check[];
  readonly states: TableCheckpoint;
}

const attemptsMax = 3;
const checkTimer = 'check/';
const stepper = new Stepper(checkMachine);

export class Checks {
  readonly #pool: Pool;
  readonly #prober: Prober;
  readonly #decided: (check: Check, isThere: boolean, nowMs: number, out: Out) => void;
  readonly #rows = new Map<string, Check>();
  readonly #states: MachineTable<typeof checkMachine, SwimEffect>;

  constructor(
    pool: Pool,
    prober: Prober,
    decided: (check: Check, isThere: boolean, nowMs: number, out: Out) => void,
  ) {
    this.#pool = pool;
    this.#prober = prober;
    this.#decided = decided;
    this.#states = new MachineTable('check', stepper, (key, action, nowMs, out) =>
      this.#perform(this.#rows.get(key) as Check, action, nowMs, out),
    );
  }

  has(kind: CheckReason['kind']): boolean {
    return [...this.#rows.values()].some(({ reason }) => reason.kind === kind);
  }

  /** As many newcomers wait as may have a stream at a time; of other checks there are no more either. */
  isFull(kind: CheckReason['kind']): boolean {
    let count = 0;
    for (const { reason } of this.#rows.values()) if (reason.kind === kind) count++;
    return count >= this.#pool.options.config.inboundStreamsMax;
  }

  /** Of several claims that one which left is elsewhere, the newest waits for the answer. @returns whether it is asked anew. */
  beginOldPlace(place: OldPlace, nowMs: number, out: Out): boolean {
    const { address, incarnation, claim } = place;
    const reason = { kind: 'oldPlace', place } as const;
    for (const check of this.#rows.values()) {
      if (check.reason.kind !== 'oldPlace' || check.node !== claim.node) continue;
      const waiting = check.reason.place;
      if (waiting.incarnation !== incarnation) continue;
      if (claim.incarnation > waiting.claim.incarnation) check.reason = reason;
      return false;
    }
    if (this.isFull('oldPlace')) return false;
    this.begin(address, claim.node, reason, nowMs, out);
    return true;
  }

  begin(address: Address, node: string, reason: CheckReason, nowMs: number, out: Out): void {
    const seqNo = this.#prober.takeSeqNo();
    this.#rows.set(String(seqNo), { address, node, seqNo, reason, attemptsLeft: attemptsMax });
    this.#states.add(String(seqNo), nowMs, out);
  }

  /** @returns whether it was the answer to a check. */
  acknowledged(seqNo: number, nowMs: number, out: Out): boolean {
    if (!this.#rows.has(String(seqNo))) return false;
    this.#states.send(String(seqNo), { type: 'ANSWERED' }, nowMs, out);
    return true;
  }

  fire(timer: string, nowMs: number, out: Out): boolean {
    if (!timer.startsWith(checkTimer)) return false;
    const key = timer.slice(checkTimer.length);
    const check = this.#rows.get(key);
    if (check !== undefined)
      this.#states.send(key, { type: 'UNANSWERED', attemptsLeft: check.attemptsLeft }, nowMs, out);
    return true;
  }

  checkpoint(): ChecksCheckpoint {
    return {
      rows: Array.from(this.#rows.values(), (row) => ({ ...row })),
      states: this.#states.checkpoint(),
    };
  }

  restore({ rows, states }: ChecksCheckpoint): void {
    this.#rows.clear();
    for (const row of rows) this.#rows.set(String(row.seqNo), { ...row });
    this.#states.restore(states);
  }

  #perform(check: Check, action: ActionOf<typeof checkMachine>, nowMs: number, out: Out): void {
    switch (action.type) {
      case 'ask':
        check.attemptsLeft--;
        out.emit({ type: 'setTimer', timer: `${checkTimer}${check.seqNo}`, delayMs: this.#patienceMs });
        return this.#prober.ping(check.address, check.node, check.seqNo, out);
      case 'confirm':
        return this.#end(check, true, nowMs, out);
      case 'giveUp':
        return this.#end(check, false, nowMs, out);
    }
  }

  #end(check: Check, isThere: boolean, nowMs: number, out: Out): void {
    const key = String(check.seqNo);
    this.#rows.delete(key);
    this.#states.remove(key, out);
    out.emit({ type: 'cancelTimer', timer: `${checkTimer}${key}` });
    this.#decided(check, isThere, nowMs, out);
  }

  /** All attempts together must leave the waiting peer time to hear the outcome. */
  get #patienceMs(): number {
    const { pingTimeoutMs, streamTimeoutMs } = this.#pool.options.config;
    return Math.min(pingTimeoutMs, streamTimeoutMs / (attemptsMax + 1));
  }
}
