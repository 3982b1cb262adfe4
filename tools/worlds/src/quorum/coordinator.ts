/** Who arbitrates, simulated: the roster that changes by agreement, and the lease. One place, reached late or not at all. */
import { changeRoster, LeaseLedger, type Roster, type RosterChange } from '@cluster/swim';
import type { Clock, Done } from '@cluster/core';
import type { LeaseAnswer, LeasePort, RosterPort } from '@cluster/swim';
import type { NodePorts, World } from '@cluster/sim';
import { LeaseLog, type LeaseLogOptions } from './lease-log.ts';

export interface CoordinatorOptions {
  readonly world: World;
  readonly members: readonly string[];
  readonly leaseOutlastMs: number;
  /** It gives the lease too. */
  readonly arbitrates: boolean;
  /** Every side reaches it, as an outside store; otherwise it sits with one node and shares its fate. */
  readonly isOutside: boolean;
  /** The lease is kept in a replicated log, and not by one process. */
  readonly isLogged: boolean;
  readonly replica?: LeaseLogOptions['replica'];
}

const pollMs = 200;
const missRate = 0.3;

export class Coordinator {
  readonly #options: CoordinatorOptions;
  readonly #ledger = new LeaseLedger();
  readonly #log: LeaseLog;
  /** What each node knew last: kept over restarts, as the port promises. */
  readonly #known = new Map<string, Roster>();
  #roster: Roster;
  #seat: string;

  constructor(options: CoordinatorOptions) {
    this.#options = options;
    this.#roster = { epoch: 1, members: options.members };
    this.#seat = options.members[0] ?? '';
    const { world, leaseOutlastMs: outlastMs, replica } = options;
    this.#log = new LeaseLog({ world, outlastMs, replica, reached: (node) => this.#reached(node) });
  }

  get roster(): Roster {
    return this.#roster;
  }

  /** The roster as one node learns of it, one epoch after another. */
  rosterPort(ports: NodePorts): RosterPort {
    const { world } = this.#options;
    const { name, clock } = ports;
    const listeners = new Set<(roster: Roster) => void>();
    const current = (): Roster => this.#known.get(name) ?? { epoch: 1, members: this.#options.members };
    const poll = (): void => {
      clock.setTimer(pollMs, poll);
      if (current().epoch === this.#roster.epoch || world.prng.chance(missRate) || !this.#reached(name))
        return;
      this.#known.set(name, this.#roster);
      for (const listener of listeners) listener(this.#roster);
    };
    poll();
    return {
      current,
      onChange: (listener) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
      propose: (change, epoch, done) => this.#propose(name, clock, change, epoch, done),
    };
  }

  leasePort(ports: NodePorts): LeasePort {
    const { world, isLogged, leaseOutlastMs } = this.#options;
    const { name, clock } = ports;
    if (isLogged) return this.#log.leasePort(ports);
    return {
      take: (request, done) => {
        if (!this.#reached(name)) return;
        clock.setTimer(world.prng.float() * 5, () => {
          const value: LeaseAnswer = this.#ledger.take(request, world.nowMs, world.nowMs - leaseOutlastMs);
          clock.setTimer(world.prng.float() * 5, () => done({ ok: true, value }));
        });
      },
    };
  }

  #propose(name: string, clock: Clock, change: RosterChange, epoch: number, done: Done<Roster>): void {
    const { world } = this.#options;
    clock.setTimer(world.prng.float() * 20, () => {
      // Where members grant, a majority of them is the agreement, which somebody who holds quorum is in touch with.
      const isAgreed = epoch === this.#roster.epoch && (!this.#options.arbitrates || this.#reached(name));
      if (!isAgreed) return done({ ok: true, value: this.#roster });
      this.#roster = changeRoster(this.#roster, change);
      // Agreement follows whoever holds quorum.
      this.#seat = name;
      world.counters.add('rosterChanges');
      done({ ok: true, value: this.#roster });
    });
  }

  #reached(name: string): boolean {
    const { world, isOutside } = this.#options;
    return isOutside || (world.reaches(name, this.#seat) && world.reaches(this.#seat, name));
  }
}
