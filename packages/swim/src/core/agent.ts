/** Ourselves: life-cycle, incarnation, joins, and what others say of us. */
import {
  type ActionOf,
  type Address,
  type InstanceCheckpoint,
  MachineInstance,
  type Sink,
  Stepper,
} from '@cluster/core';
import { agentMachine } from './agent.machine.ts';
import type { Checks } from './checks.ts';
import type { MemberRecord, SeedFailure, SwimEffect, SwimInput } from './effects.ts';
import type { Exchanges } from './exchanges.ts';
import type { Gossip } from './gossip.ts';
import {
  blockEnd,
  incarnationBlock,
  type IncarnationCheckpoint,
  incarnationMax,
  OwnIncarnation,
} from './incarnation.ts';
import type { Membership } from './membership.ts';
import {
  type Alive,
  bytesEqual,
  type Claim,
  type PeerRecord,
  type RejectReason,
  sameAddress,
} from './messages.ts';
import type { Pool, Self } from './pool.ts';
import type { Prober } from './prober.ts';
import type { Schedule } from './schedule.ts';

type Out = Sink<SwimEffect>;

interface JoinAttempt {
  readonly join: number;
  readonly seeds: readonly SwimSeed[];
  readonly reached: number;
  readonly failures: readonly SeedFailure[];
}
type SwimSeed = SeedFailure['seed'];

/** Where our name was last claimed from by somebody else. */
interface Rival {
  readonly address: Address;
  readonly atMs: number;
}

export interface AgentParts {
  readonly checks: Checks;
  readonly members: Membership;
  readonly gossip: Gossip;
  readonly prober: Prober;
  readonly exchanges: Exchanges;
  readonly schedule: Schedule;
}

export interface AgentCheckpoint {
  readonly agent: InstanceCheckpoint;
  readonly self: Self;
  readonly incarnation: IncarnationCheckpoint;
  readonly attempt: JoinAttempt | null;
  readonly rival: Rival | null;
  readonly isReserving: boolean;
  readonly stateChangedMs: number;
  readonly caughtUpMs: number;
}

const stepper = new Stepper(agentMachine);

export class Agent {
  readonly #pool: Pool;
  readonly #parts: AgentParts;
  readonly #machine: MachineInstance<typeof agentMachine, SwimEffect>;
  readonly #incarnation = new OwnIncarnation();
  #attempt: JoinAttempt | null = null;
  #rival: Rival | null = null;
  #isReserving = false;
  #stateChangedMs = 0;
  #caughtUpMs = -Infinity;

  constructor(pool: Pool, parts: AgentParts) {
    this.#pool = pool;
    this.#parts = parts;
    this.#machine = new MachineInstance('agent', stepper, (action, nowMs, out) =>
      this.#perform(action, nowMs, out),
    );
  }

  init(nowMs: number, out: Out): void {
    this.#machine.start(undefined, nowMs, out);
  }

  /** A member of the pool, be it on the way out. */
  get isActive(): boolean {
    return this.#machine.in('running') || this.#machine.in('leaving');
  }

  get state(): string {
    return this.#machine.state;
  }

  get #hasLeft(): boolean {
    return this.#machine.in('leaving') || this.#machine.in('left');
  }

  start(input: Extract<SwimInput, { type: 'START' }>, nowMs: number, out: Out): void {
    this.#pool.self.address = input.address;
    this.#incarnation.start(input.incarnation, input.reserved);
    this.#machine.send({ type: 'START' }, nowMs, out);
  }

  join({ join, seeds }: Extract<SwimInput, { type: 'JOIN' }>, nowMs: number, out: Out): void {
    if (!this.#machine.in('running.settled'))
      return out.emit({ type: 'joinRefused', join, hasLeft: this.#hasLeft });
    this.#attempt = { join, seeds, reached: 0, failures: [] };
    this.#machine.send({ type: 'JOIN' }, nowMs, out);
  }

  abortJoin(join: number, nowMs: number, out: Out): void {
    if (this.#attempt?.join === join) this.#machine.send({ type: 'JOIN_ABORTED' }, nowMs, out);
  }

  /** @param failure null when the seed has answered. */
  seedSettled(failure: SeedFailure | null, nowMs: number, out: Out): void {
    const attempt = this.#attempt;
    if (attempt === null) return;
    const reached = attempt.reached + (failure === null ? 1 : 0);
    const failures = failure === null ? attempt.failures : [...attempt.failures, failure];
    this.#attempt = { ...attempt, reached, failures };
    const remaining = attempt.seeds.length - reached - failures.length;
    this.#machine.send({ type: 'SEED_SETTLED', remaining }, nowMs, out);
  }

  /** A claim about ourselves. */
  hear(claim: Claim, nowMs: number, out: Out): RejectReason | undefined {
    const known = this.#incarnation.current;
    const { incarnation } = claim;
    // Also guards the end of the range: from there nobody can refute any more.
    const ceiling = Math.min(known + this.#pool.options.config.incarnationJumpMax, incarnationMax - 1);
    if (incarnation > ceiling) return 'incarnation';
    if (claim.type === 'alive') {
      const { self } = this.#pool;
      const sameRecord = bytesEqual(claim.meta, self.meta) && bytesEqual(claim.vsn, self.vsn);
      const elsewhere = !sameAddress(claim.address, self.address);
      const { address } = claim;
      this.#machine.send({ type: 'QUOTED', incarnation, known, sameRecord, elsewhere, address }, nowMs, out);
    } else {
      this.#machine.send({ type: 'ACCUSED', incarnation, known }, nowMs, out);
    }
    return undefined;
  }

  setTags(meta: Uint8Array, nowMs: number, out: Out): void {
    if (bytesEqual(meta, this.#pool.self.meta)) return;
    this.#pool.self.meta = meta;
    this.#machine.send({ type: 'TAGS_SET' }, nowMs, out);
  }

  incarnationStored(reserved: number, nowMs: number, out: Out): void {
    this.#isReserving = false;
    if (this.#incarnation.reserve(reserved)) this.#announce(out);
    this.#reserveAhead(out);
  }

  leave(nowMs: number, out: Out): void {
    const { alive, suspect } = this.#parts.members.counts;
    const timeoutMs = this.#pool.options.config.leaveTimeoutMs;
    this.#machine.send({ type: 'LEAVE', othersAlive: alive + suspect, timeoutMs }, nowMs, out);
  }

  stop(nowMs: number, out: Out): void {
    this.#machine.send({ type: 'STOP' }, nowMs, out);
  }

  /** After anything was sent: has the news of our leaving been sent often enough? */
  checkLeaving(nowMs: number, out: Out): void {
    const isSpread = this.#machine.in('leaving') && !this.#parts.gossip.has(this.#pool.self.name);
    if (isSpread) this.#machine.send({ type: 'LEAVE_SPREAD' }, nowMs, out);
  }

  fire(timer: string, nowMs: number, out: Out): boolean {
    return this.#machine.fire(timer, nowMs, out);
  }

  /** Ourselves as a push/pull carries us. */
  peerRecord(): PeerRecord {
    const { name, address, meta, vsn } = this.#pool.self;
    return {
      name,
      address,
      meta,
      vsn,
      incarnation: this.#incarnation.current,
      state: this.#hasLeft ? 'left' : 'alive',
    };
  }

  record(nowMs: number): MemberRecord {
    const { name, address, meta, incarnation, state } = this.peerRecord();
    return {
      name,
      address,
      meta,
      incarnation,
      state,
      lastSeenMs: nowMs,
      stateChangedMs: this.#stateChangedMs,
    };
  }

  checkpoint(): AgentCheckpoint {
    return {
      agent: this.#machine.checkpoint(),
      self: { ...this.#pool.self },
      incarnation: this.#incarnation.checkpoint(),
      attempt: this.#attempt,
      rival: this.#rival,
      isReserving: this.#isReserving,
      stateChangedMs: this.#stateChangedMs,
      caughtUpMs: this.#caughtUpMs,
    };
  }

  restore(checkpoint: AgentCheckpoint): void {
    this.#machine.restore(checkpoint.agent);
    const { address, meta, vsn } = checkpoint.self;
    Object.assign(this.#pool.self, { address, meta, vsn });
    this.#incarnation.restore(checkpoint.incarnation);
    this.#attempt = checkpoint.attempt;
    this.#rival = checkpoint.rival;
    this.#isReserving = checkpoint.isReserving;
    this.#stateChangedMs = checkpoint.stateChangedMs;
    this.#caughtUpMs = checkpoint.caughtUpMs;
  }

  #perform(action: ActionOf<typeof agentMachine>, nowMs: number, out: Out): void {
    const { prober, schedule, exchanges } = this.#parts;
    switch (action.type) {
      case 'announceArrival':
        this.#stateChangedMs = nowMs;
        this.#parts.gossip.spread(this.#claim(), out);
        out.emit({ type: 'notify', notice: 'Joined', member: this.record(nowMs) });
        return this.#reserveAhead(out);
      case 'startSchedule':
        prober.start(nowMs, out);
        return schedule.start(out);
      case 'stopProbing':
        return prober.stop(nowMs, out);
      case 'stopSchedule':
        return schedule.stop(out);
      case 'contactSeeds':
        for (const seed of this.#attempt?.seeds ?? []) exchanges.start(seed, 'join', out);
        return;
      case 'closeJoin':
        return this.#closeJoin(out);
      case 'refute': {
        const { above, accused } = action.params;
        out.emit({ type: 'countRefutation' });
        this.#raise(above, accused, out);
        return accused ? this.#catchUp(nowMs, out) : undefined;
      }
      case 'reportConflict':
        return this.#reportConflict(action.params.address, nowMs, out);
      case 'announceTags':
        this.#raise(0, false, out);
        return out.emit({ type: 'notify', notice: 'Updated', member: this.record(nowMs) });
      case 'announceLeave': {
        const { name } = this.#pool.self;
        const incarnation = this.#incarnation.current;
        this.#stateChangedMs = nowMs;
        this.#parts.gossip.spread({ type: 'dead', incarnation, node: name, from: name }, out);
        return schedule.gossipNow(nowMs, out);
      }
      case 'closeLeave':
        out.emit({ type: 'notify', notice: 'Left', member: this.record(nowMs) });
        return out.emit({ type: 'leaveFinished' });
    }
  }

  /** Told once for each place and a while; whether somebody is there at all is found out by asking, one place at a time. */
  #reportConflict(address: Address, nowMs: number, out: Out): void {
    const { nameReclaimMs } = this.#pool.options.config;
    const known = this.#rival;
    if (known !== null && sameAddress(known.address, address) && nowMs - known.atMs < nameReclaimMs) return;
    this.#rival = { address, atMs: nowMs };
    out.emit({ type: 'notify', notice: 'Conflict', member: this.record(nowMs) });
    const { checks } = this.#parts;
    if (!checks.has('rival')) checks.begin(address, this.#pool.self.name, { kind: 'rival' }, nowMs, out);
  }

  /**
   * Others could not reach us, so what they have said meanwhile may have missed us: a member that was cut off for seconds would hear
   * of a death or a return by the next push/pull only.
   */
  #catchUp(nowMs: number, out: Out): void {
    // Once in a suspicion's time; where that has no bound, in a push/pull's.
    const { suspectTimeoutMs, pushPullPeriodMs } = this.#pool.options.config;
    if (nowMs - this.#caughtUpMs < Math.min(suspectTimeoutMs, pushPullPeriodMs)) return;
    this.#caughtUpMs = nowMs;
    this.#parts.schedule.pushPullNow(out);
  }

  #closeJoin(out: Out): void {
    const attempt = this.#attempt;
    if (attempt === null) return;
    this.#attempt = null;
    const { join, reached, failures, seeds } = attempt;
    const aborted = reached + failures.length < seeds.length;
    if (aborted) this.#parts.exchanges.cancelJoins(out);
    out.emit({ type: 'joinFinished', join, reached, failures, aborted });
  }

  #raise(above: number, accused: boolean, out: Out): void {
    // That others could not reach us says that we are slow, perhaps (Lifeguard).
    if (accused) this.#parts.prober.worsen(1);
    if (this.#incarnation.raise(above)) this.#announce(out);
    this.#reserveAhead(out);
  }

  #announce(out: Out): void {
    this.#parts.gossip.spread(this.#claim(), out);
  }

  /** Asks for another block before this one is used up, and at once when somebody waits for it. */
  #reserveAhead(out: Out): void {
    const { current, reserved, wanted } = this.#incarnation.checkpoint();
    const isLow = reserved < incarnationMax && reserved - current < incarnationBlock / 2;
    if (this.#isReserving || (wanted === null && !isLow)) return;
    this.#isReserving = true;
    out.emit({ type: 'storeIncarnation', reserve: blockEnd(wanted ?? current) });
  }

  #claim(): Alive {
    const { name: node, address, meta, vsn } = this.#pool.self;
    return { type: 'alive', incarnation: this.#incarnation.current, node, address, meta, vsn };
  }
}
