/**
 * Quorum without I/O: who is missing, whether this node holds quorum, and what follows from it.
 *
 * `Grants` and the lease say by the clock whether quorum is held; the machine decides what becomes of a partition; `sideOf` says who
 * is with us. Safety: whoever has taken over from a life holds quorum only by members that have refused that life for longer than
 * anything it was granted could count, and that life needs a quorum of members that do not refuse it. The two quorums share a member.
 */
import {
  type ActionOf,
  type InstanceCheckpoint,
  MachineInstance,
  packPlain,
  type ProtocolCore,
  type Sink,
  Stepper,
  type TimerInput,
  unpackPlain,
} from '@cluster/core';
import { type QuorumConfig, ruleOf, timingsFor } from './config.ts';
import { Grants, type GrantsCheckpoint } from './grants.ts';
import { partitionMachine } from './partition.machine.ts';
import type { PartitionEventType, QuorumEffect, QuorumInput } from './quorum-effects.ts';
import type { Roster } from './roster.ts';
import { emptyState, nobody, type QuorumState } from './quorum-state.ts';
import { sideOf } from './side.ts';
import {
  changeObjection,
  type Evidence,
  evidenceOf,
  isMajorityOrTieWinner,
  majorityOf,
  type QuorumRule,
} from './strategy.ts';

type Out = Sink<QuorumEffect>;
type Of<T extends QuorumInput['type']> = Extract<QuorumInput, { type: T }>;

interface Checkpoint {
  readonly machine: InstanceCheckpoint;
  readonly grants: GrantsCheckpoint;
  readonly state: QuorumState;
}

const beat = 'beat';
const nowhere: Out = { observer: null, emit: () => undefined };
const stepper = new Stepper(partitionMachine);
const nameOf = (life: string): string => life.slice(0, life.indexOf('/'));
const sameNames = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name) => b.includes(name));

export class QuorumCore implements ProtocolCore<QuorumInput, QuorumEffect> {
  readonly #config: QuorumConfig;
  readonly #rule: QuorumRule;
  readonly #evidence: Evidence;
  readonly #grants: Grants;
  readonly #machine: MachineInstance<typeof partitionMachine, QuorumEffect>;
  #state: QuorumState = emptyState();

  constructor(config: QuorumConfig) {
    this.#config = config;
    this.#rule = ruleOf(config);
    this.#evidence = evidenceOf(config.strategy);
    this.#grants = new Grants(config);
    this.#machine = new MachineInstance('partition', stepper, (action, nowMs, out) =>
      this.#perform(action, nowMs, out),
    );
    this.#machine.start(undefined, 0, nowhere);
  }

  /** `joining`, `rostered.entering`, `.whole`, `.suspected.settling`, `.suspected.wavering`, `.deciding`, `.deferring`, `.asking`, `.upheld` or `downed`. */
  get partition(): string {
    return this.#machine.state;
  }

  get boot(): string {
    return this.#grants.boot;
  }

  get roster(): Roster {
    return this.#state.roster;
  }

  get missing(): readonly string[] {
    return this.#state.missing;
  }

  get side(): readonly string[] {
    return this.#state.side;
  }

  /** Lives (`name/boot`) that have been taken over from. */
  get taken(): readonly string[] {
    return this.#state.taken;
  }

  /** The fencing epoch of the lease; the roster's epoch where there is no lease. */
  get epoch(): number {
    return this.#evidence === 'lease' ? this.#state.leaseEpoch : this.#state.roster.epoch;
  }

  /** Whether this node may act for the cluster at this very moment: it lapses by the clock alone. */
  holdsQuorum(nowMs: number): boolean {
    return this.#machine.in('rostered') && this.#hasEvidence(nowMs);
  }

  /** Since quorum was last held; 0 while it is. */
  withoutQuorumMs(nowMs: number): number {
    return this.holdsQuorum(nowMs) ? 0 : nowMs - this.#state.heldAtMs;
  }

  handle(input: QuorumInput | TimerInput, nowMs: number, out: Out): void {
    this.#take(input, nowMs, out);
    // What members answer is looked at with the next beat, all of it together.
    if (input.type !== 'MESSAGE') this.#assess(nowMs, out);
  }

  checkpoint(): Uint8Array {
    const checkpoint: Checkpoint = {
      machine: this.#machine.checkpoint(),
      grants: this.#grants.checkpoint(),
      state: this.#state,
    };
    return packPlain(checkpoint);
  }

  restore(bytes: Uint8Array): void {
    const { machine, grants, state } = unpackPlain(bytes) as Checkpoint;
    this.#machine.restore(machine);
    this.#grants.restore(grants);
    this.#state = { ...state };
  }

  #take(input: QuorumInput | TimerInput, nowMs: number, out: Out): void {
    switch (input.type) {
      case 'START':
        this.#grants.start(input.boot, nowMs);
        return this.#beat(nowMs, out);
      case 'ROSTER':
        return this.#setRoster(input.roster, nowMs, out);
      case 'VIEW':
        return this.#setView(input, nowMs, out);
      case 'MESSAGE':
        return this.#hear(input, nowMs, out);
      case 'LEASE_ANSWERED':
        return this.#leaseAnswered(input, nowMs, out);
      case 'PROPOSAL_SETTLED':
        this.#state.proposing = false;
        return;
      case 'REJOIN': {
        if (!this.#machine.in('downed')) return;
        this.#grants.rejoin(input.boot);
        this.#state.leaseAskedAtMs = -Infinity;
        const rostered = this.#state.roster.members.includes(this.#config.name);
        this.#machine.send({ type: 'REJOIN', rostered }, nowMs, out);
        return;
      }
      case 'TIMER':
        if (input.timer === beat) this.#beat(nowMs, out);
        else this.#machine.fire(input.timer, nowMs, out);
    }
  }

  #beat(nowMs: number, out: Out): void {
    out.emit({ type: 'setTimer', timer: beat, delayMs: this.#config.beatPeriodMs });
    if (this.#evidence === 'grants') {
      const { roster, excluding } = this.#state;
      if (this.#isRostered()) {
        const message = this.#grants.ask(roster, excluding, nowMs);
        for (const to of roster.members)
          if (to !== this.#config.name) out.emit({ type: 'send', to, message });
      }
    }
    if (this.#evidence === 'lease' && this.#machine.in('rostered')) this.#askLease(nowMs, out);
  }

  #setRoster(roster: Roster, nowMs: number, out: Out): void {
    const before = this.#state.roster;
    if (roster.epoch <= before.epoch) return;
    this.#state.roster = roster;
    // Who is off the roster counts for nothing, so nothing has to be asked of others about it.
    const stays = (life: string): boolean => roster.members.includes(nameOf(life));
    this.#state.excluding = this.#state.excluding.filter(stays);
    this.#state.taken = this.#state.taken.filter(stays);
    this.#grants.retain(roster);
    this.#tellRostered(nowMs, out);
  }

  #setView({ known, alive }: Of<'VIEW'>, nowMs: number, out: Out): void {
    const state = this.#state;
    state.viewAlive = alive;
    if (this.#evidence !== 'view') return;
    state.givenUp = state.givenUp.filter((name) => known.includes(name) && !alive.includes(name));
    if (sameNames(known, state.roster.members)) return;
    state.roster = { epoch: state.roster.epoch + 1, members: known };
    this.#tellRostered(nowMs, out);
  }

  #tellRostered(nowMs: number, out: Out): void {
    const { roster } = this.#state;
    const timings = timingsFor(this.#config, roster.members.length);
    if (this.#isRostered()) this.#machine.send({ type: 'ROSTERED', timings }, nowMs, out);
    else this.#machine.send({ type: 'UNROSTERED' }, nowMs, out);
  }

  #isRostered(): boolean {
    const { members } = this.#state.roster;
    return members.length <= this.#config.rosterMax && members.includes(this.#config.name);
  }

  #hear({ from, message }: Of<'MESSAGE'>, nowMs: number, out: Out): void {
    const { roster } = this.#state;
    // A stranger to our roster gets no answer: it counts for nothing here, and we for nothing there.
    if (this.#evidence !== 'grants' || !roster.members.includes(from)) return;
    if (message.type === 'ask') {
      const { answer, fencesUs } = this.#grants.hearAsk(from, message, roster, nowMs);
      out.emit({ type: 'send', to: from, message: answer });
      if (fencesUs) this.#machine.send({ type: 'FENCED' }, nowMs, out);
    } else if (this.#grants.hearAnswer(from, message, roster)) {
      this.#machine.send({ type: 'FENCED' }, nowMs, out);
    }
  }

  #askLease(nowMs: number, out: Out): void {
    const decided = ['rostered.entering', 'rostered.asking', 'rostered.upheld'];
    const without = decided.some((name) => this.#machine.in(name)) ? this.#state.missing : nobody;
    out.emit({ type: 'takeLease', boot: this.boot, without, askedAtMs: nowMs });
  }

  #leaseAnswered(input: Of<'LEASE_ANSWERED'>, nowMs: number, out: Out): void {
    const { answer, without, askedAtMs } = input;
    if (answer === null || input.boot !== this.boot) return;
    if (answer.reason === 'fenced') return this.#machine.send({ type: 'FENCED' }, nowMs, out);
    if (!answer.granted) return;
    const state = this.#state;
    state.leaseAskedAtMs = Math.max(state.leaseAskedAtMs, askedAtMs);
    state.leaseEpoch = Math.max(state.leaseEpoch, answer.epoch);
    if (answer.pending || without.length === 0 || !sameNames(without, state.missing)) return;
    this.#machine.send({ type: 'LEASE_WON' }, nowMs, out);
    if (this.#machine.in('rostered.upheld')) this.#takeOver(answer.fenced, nowMs, out);
  }

  #hasEvidence(nowMs: number): boolean {
    const { roster, taken, leaseAskedAtMs, viewAlive, givenUp } = this.#state;
    switch (this.#evidence) {
      case 'grants':
        return this.#grants.holds(this.#rule, roster, taken, nowMs);
      case 'lease':
        return nowMs - leaseAskedAtMs < this.#config.quorumTtlMs;
      case 'view':
        return isMajorityOrTieWinner(
          roster.members.filter((name) => !givenUp.includes(name)),
          (name) => viewAlive.includes(name),
        );
    }
  }

  /** Brings everything that follows from time and from what was heard up to date. */
  #assess(nowMs: number, out: Out): void {
    const state = this.#state;
    const before = state.missing;
    this.#look(nowMs);
    if (!sameNames(before, state.missing)) {
      const missing = state.missing.length;
      const lost = state.missing.filter((name) => !before.includes(name)).length;
      const returned = before.length + lost - missing;
      this.#machine.send({ type: 'SIDE_CHANGED', missing, lost, returned }, nowMs, out);
    }
    const holds = this.holdsQuorum(nowMs);
    if (holds) state.heldAtMs = nowMs;
    if (holds !== state.held) {
      state.held = holds;
      this.#report(holds ? 'QuorumRegained' : 'QuorumLost', out);
    }
    if (holds && this.#machine.in('rostered.entering') && !state.isExpendable)
      this.#machine.send({ type: 'QUORUM_REGAINED', missing: state.missing.length }, nowMs, out);
    if (this.#evidence === 'grants' && this.#machine.in('rostered.upheld')) {
      const { excluding, roster } = state;
      if (!sameNames(excluding, state.taken) && this.#grants.holds(this.#rule, roster, excluding, nowMs))
        this.#takeOver(excluding, nowMs, out);
    }
  }

  #look(nowMs: number): void {
    const state = this.#state;
    const { members } = state.roster;
    const { name: self } = this.#config;
    if (this.#evidence === 'grants') {
      const reaches = (name: string): boolean => this.#grants.reaches(name, nowMs);
      const reachOf = (name: string): ReadonlySet<string> | undefined => this.#grants.reachOf(name, nowMs);
      const side = sideOf({ self, members, reaches, reachOf });
      state.isExpendable = side.isExpendable;
      state.side = members.filter((name) => side.members.has(name));
      // A life is done with once another has come in its place.
      const isOld = (life: string): boolean => {
        const now = this.#grants.lifeOf(nameOf(life));
        return now !== undefined && now !== life && side.members.has(nameOf(life));
      };
      state.excluding = state.excluding.filter((life) => !isOld(life));
      state.taken = state.taken.filter((life) => !isOld(life));
    } else {
      state.side = members.filter((name) => name === self || state.viewAlive.includes(name));
    }
    state.missing = members.filter((name) => !state.side.includes(name));
  }

  #perform(action: ActionOf<typeof partitionMachine>, nowMs: number, out: Out): void {
    const state = this.#state;
    switch (action.type) {
      case 'noteTimings':
        return;
      case 'reportPartition':
        if (!state.partitionOpen) this.#report('PartitionDetected', out);
        state.partitionOpen = true;
        return;
      case 'reportHealed':
        if (state.partitionOpen) this.#report('PartitionHealed', out);
        state.partitionOpen = false;
        state.excluding = state.taken = nobody;
        return;
      case 'weigh':
        return this.#weigh(nowMs, out);
      case 'askLease':
        return this.#askLease(nowMs, out);
      case 'fenceMissing':
        return this.#fenceMissing(nowMs, out);
      case 'proposeShrink':
        return this.#proposeShrink(nowMs, out);
      case 'standDown':
        state.excluding = state.taken = nobody;
        return out.emit({ type: 'standDown', reason: action.params.reason });
    }
  }

  #weigh(nowMs: number, out: Out): void {
    const { isExpendable: expendable, side, roster } = this.#state;
    const quorate = this.#hasEvidence(nowMs);
    const needsLease = this.#evidence === 'lease';
    const majority = side.length >= majorityOf(roster.members.length);
    this.#machine.send({ type: 'JUDGED', expendable, quorate, needsLease, majority }, nowMs, out);
  }

  #fenceMissing(nowMs: number, out: Out): void {
    const state = this.#state;
    if (this.#evidence === 'view') {
      const names = state.missing;
      if (names.length === 0) return;
      state.givenUp = [...new Set([...state.givenUp, ...names])];
      return out.emit({ type: 'takeOver', names, epoch: null });
    }
    if (this.#evidence === 'lease') return;
    const lives = state.missing.map((name) => this.#grants.lifeOf(name)).filter((life) => life !== undefined);
    for (const life of lives) this.#grants.fence(life, nowMs);
    state.excluding = [...new Set([...state.excluding, ...lives])];
  }

  #takeOver(lives: readonly string[], nowMs: number, out: Out): void {
    const state = this.#state;
    const names = lives.filter((life) => !state.taken.includes(life)).map(nameOf);
    state.taken = lives;
    if (names.length === 0) return;
    const epoch = this.#evidence === 'lease' ? state.leaseEpoch : null;
    if (this.holdsQuorum(nowMs)) out.emit({ type: 'takeOver', names: [...new Set(names)], epoch });
  }

  /** One member that has been taken over from, by the first of our side. */
  #proposeShrink(nowMs: number, out: Out): void {
    const config = this.#config;
    const state = this.#state;
    const { roster, side, missing, taken, proposing } = state;
    if (!config.shrink || proposing || side[0] !== config.name || !this.holdsQuorum(nowMs)) return;
    if (roster.members.length <= config.rosterFloor) return;
    if (changeObjection(this.#rule, roster.members.length, 'remove') !== null) return;
    const gone = new Set(taken.map(nameOf));
    const name = missing.findLast((one) => gone.has(one));
    if (name === undefined) return;
    state.proposing = true;
    out.emit({ type: 'proposeRoster', change: { type: 'remove', name }, epoch: roster.epoch });
  }

  #report(event: PartitionEventType, out: Out): void {
    const { side, missing } = this.#state;
    out.emit({ type: 'report', event, side, missing });
  }
}
