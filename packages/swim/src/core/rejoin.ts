/** The members of our life before, and the search for them. */
import {
  type ActionOf,
  type Address,
  type InstanceCheckpoint,
  MachineInstance,
  type Sink,
  Stepper,
} from '@cluster/core';
import type { SavedPeer } from '../member.ts';
import type { SwimEffect } from './effects.ts';
import type { Exchanges } from './exchanges.ts';
import type { Membership } from './membership.ts';
import type { Pool } from './pool.ts';
import { rejoinMachine } from './rejoin.machine.ts';

type Out = Sink<SwimEffect>;

export interface RejoinCheckpoint {
  readonly machine: InstanceCheckpoint;
  readonly addresses: readonly Address[];
  readonly next: number;
}

// Enough to find one that is there, few enough to be no storm when a whole pool restarts.
const atOnce = 4;
const stepper = new Stepper(rejoinMachine);

export class Rejoin {
  readonly #pool: Pool;
  readonly #members: Membership;
  readonly #exchanges: Exchanges;
  readonly #machine: MachineInstance<typeof rejoinMachine, SwimEffect>;
  /** Those that were alive first, either in random order. */
  #addresses: readonly Address[] = [];
  #next = 0;

  constructor(pool: Pool, members: Membership, exchanges: Exchanges) {
    this.#pool = pool;
    this.#members = members;
    this.#exchanges = exchanges;
    this.#machine = new MachineInstance('rejoin', stepper, (action, nowMs, out) =>
      this.#perform(action, nowMs, out),
    );
  }

  init(nowMs: number, out: Out): void {
    this.#machine.start(undefined, nowMs, out);
  }

  get isSearching(): boolean {
    return this.#machine.in('searching');
  }

  remember(peers: readonly SavedPeer[], nowMs: number, out: Out): void {
    const periodMs = this.#pool.options.config.rejoinPeriodMs;
    if (peers.length === 0 || periodMs === 0) return;
    const shuffled = this.#pool.prng.shuffle([...peers]);
    const ordered = [...shuffled.filter(({ alive }) => alive), ...shuffled.filter(({ alive }) => !alive)];
    this.#addresses = ordered.map(({ address }) => address);
    this.#next = 0;
    this.#members.forgotten.seek(peers.filter(({ name }) => this.#members.find(name) === undefined));
    this.#machine.send({ type: 'REMEMBERED', periodMs }, nowMs, out);
  }

  /** One of them has answered. */
  found(nowMs: number, out: Out): void {
    if (this.isSearching) out.emit({ type: 'rejoined' });
    this.#machine.send({ type: 'FOUND' }, nowMs, out);
  }

  giveUp(nowMs: number, out: Out): void {
    this.#machine.send({ type: 'GIVEN_UP' }, nowMs, out);
  }

  fire(timer: string, nowMs: number, out: Out): boolean {
    return this.#machine.fire(timer, nowMs, out);
  }

  checkpoint(): RejoinCheckpoint {
    return { machine: this.#machine.checkpoint(), addresses: this.#addresses, next: this.#next };
  }

  restore({ machine, addresses, next }: RejoinCheckpoint): void {
    this.#machine.restore(machine);
    this.#addresses = addresses;
    this.#next = next;
  }

  #perform(action: ActionOf<typeof rejoinMachine>, nowMs: number, out: Out): void {
    if (action.type === 'keepMissing')
      return this.#members.forgotten.endSearch(this.#pool.options.config.forgottenMax);
    if (action.type !== 'contactSome') return;
    if (this.#members.size > 1) return this.#machine.send({ type: 'FOUND' }, nowMs, out);
    for (let i = 0; i < Math.min(atOnce, this.#addresses.length); i++) {
      const to = this.#addresses[this.#next++ % this.#addresses.length] as Address;
      this.#exchanges.start(to, 'rejoin', out);
    }
  }
}
