/** What happens by the clock beside probing: gossip rounds, push/pull, attempts to reach the dead again. */
import type { Sink } from '@cluster/core';
import type { SwimEffect } from './effects.ts';
import type { Exchanges } from './exchanges.ts';
import type { Gossip } from './gossip.ts';
import type { MemberRow } from './member-table.ts';
import type { Membership } from './membership.ts';
import type { Pool } from './pool.ts';
import { checksumVersion } from './prober.ts';
import { pushPullPeriodMs, reconnectChance } from './scaling.ts';
import { protocolMax } from './versions.ts';

type Out = Sink<SwimEffect>;
type TimerName = 'gossip' | 'pushPull' | 'reconnect';

export interface ScheduleCheckpoint {
  readonly restsSinceMs: number | null;
}

export class Schedule {
  readonly #pool: Pool;
  readonly #members: Membership;
  readonly #gossip: Gossip;
  readonly #exchanges: Exchanges;
  /** When the last gossip round was that had nothing to say; null while there is a next one to come. */
  #restsSinceMs: number | null = null;

  constructor(pool: Pool, members: Membership, gossip: Gossip, exchanges: Exchanges) {
    this.#pool = pool;
    this.#members = members;
    this.#gossip = gossip;
    this.#exchanges = exchanges;
  }

  /** Each first at a random moment of its period, so that members started at once spread out. */
  start(out: Out): void {
    this.#restsSinceMs = null;
    for (const timer of ['gossip', 'pushPull', 'reconnect'] as const)
      this.#arm(timer, this.#pool.prng.float() * this.#periodMs(timer), out);
  }

  stop(out: Out): void {
    this.#restsSinceMs = null;
    for (const timer of ['gossip', 'pushPull', 'reconnect']) out.emit({ type: 'cancelTimer', timer });
  }

  /** @returns whether the timer is one of these. */
  fire(timer: string, nowMs: number, out: Out): boolean {
    switch (timer) {
      case 'gossip':
        this.gossipNow(nowMs, out);
        if (this.#gossip.queued === 0) {
          this.#restsSinceMs = nowMs;
          return true;
        }
        break;
      case 'pushPull':
        this.#pushPull(out);
        break;
      case 'reconnect':
        this.#reconnect(out);
        break;
      default:
        return false;
    }
    this.#arm(timer, this.#periodMs(timer), out);
    return true;
  }

  /** After anything was handled: with news, gossip rounds go on, at the times they would have had. A quiet pool has none. */
  wake(nowMs: number, out: Out): void {
    if (this.#restsSinceMs === null || this.#gossip.queued === 0) return;
    const periodMs = this.#periodMs('gossip');
    const missed = Math.floor((nowMs - this.#restsSinceMs) / periodMs);
    const nextMs = this.#restsSinceMs + (missed + 1) * periodMs;
    this.#restsSinceMs = null;
    this.#arm('gossip', nextMs - nowMs, out);
  }

  checkpoint(): ScheduleCheckpoint {
    return { restsSinceMs: this.#restsSinceMs };
  }

  restore({ restsSinceMs }: ScheduleCheckpoint): void {
    this.#restsSinceMs = restsSinceMs;
  }

  /** A round to a few members; the recently dead are among them, for they may be alive and know nothing of their death. */
  gossipNow(nowMs: number, out: Out): void {
    if (this.#gossip.queued === 0) return;
    const { gossipFanout, gossipToTheDeadMs } = this.#pool.options.config;
    const hears = ({ state, stateChangedMs }: MemberRow): boolean =>
      state === 'dead' ? nowMs - stateChangedMs <= gossipToTheDeadMs : state !== 'left';
    for (const name of this.#sample(gossipFanout, hears)) {
      const row = this.#members.row(name);
      this.#gossip.send(row.address, [], protocolMax(row) >= checksumVersion, out);
    }
  }

  /** A full exchange before it is due. */
  pushPullNow(out: Out): void {
    if (this.#pool.options.config.pushPullPeriodMs > 0) this.#pushPull(out);
  }

  #pushPull(out: Out): void {
    for (const name of this.#sample(1, ({ state }) => state === 'alive'))
      this.#exchanges.start(this.#members.row(name).address, 'sync', out);
  }

  #reconnect(out: Out): void {
    const { prng } = this.#pool;
    const { counts, forgotten } = this.#members;
    const gone = counts.dead + forgotten.size;
    if (gone === 0 || !prng.chance(reconnectChance(gone, counts.alive))) return;
    if (forgotten.size > 0 && prng.below(gone) >= counts.dead) {
      const address = forgotten.pick(prng);
      if (address !== undefined) this.#exchanges.start(address, 'sync', out);
      return;
    }
    for (const name of this.#sample(1, ({ state }) => state === 'dead'))
      this.#exchanges.start(this.#members.row(name).address, 'sync', out);
  }

  #sample(count: number, passes: (row: MemberRow) => boolean): string[] {
    return this.#members.order.sample(count, (name) => passes(this.#members.row(name)), this.#pool.prng);
  }

  #arm(timer: TimerName, delayMs: number, out: Out): void {
    if (this.#periodMs(timer) > 0) out.emit({ type: 'setTimer', timer, delayMs });
  }

  #periodMs(timer: TimerName): number {
    const { config } = this.#pool.options;
    switch (timer) {
      case 'gossip':
        return config.gossipPeriodMs;
      case 'pushPull':
        return pushPullPeriodMs(config.pushPullPeriodMs, this.#members.size);
      case 'reconnect':
        return config.reconnectPeriodMs;
    }
  }
}
