/**
 * Changes of members (thesis 4): who may ask for one, what it puts into the log, and what comes by itself afterwards: a joint
 * configuration is left, a learner that has caught up becomes a voter.
 *
 * `raft.configuration` decides when; a leader that has committed nothing in its own term begins none (the erratum of 2015 to thesis
 * 4.1: the last change of its predecessor might not be committed, nor known to be lost).
 */
import { type InstanceCheckpoint, MachineInstance, type Sink, Stepper } from '@cluster/core';
import { type Configuration, isJoint, membersOf } from './configuration.ts';
import { type Changed, enterJoint, leaveJoint, simpleChange } from './configuration-changes.ts';
import { configurationMachine } from './configuration.machine.ts';
import { encodeConfiguration } from './membership.ts';
import { Promotions, type PromotionsCheckpoint } from './promotions.ts';
import type { Replication } from './replication.ts';
import type { Shared } from './state.ts';
import type { RaftEffect, RaftInput } from './inputs-and-effects.ts';
import type { ChangeOutcome } from './types.ts';

type Out = Sink<RaftEffect>;
type Ask = Extract<RaftInput, { type: 'CHANGE' }>;

interface Waiting {
  readonly ref: number;
  /** The lead in which it was begun. */
  readonly term: number;
}

export interface ChangesCheckpoint {
  readonly machine: InstanceCheckpoint | null;
  readonly version: number;
  readonly waiting: Waiting | null;
  readonly promotions: PromotionsCheckpoint;
}

const timer = 'change';
// What one message and one glance can hold; thesis 4 has single digits in mind.
const membersMax = 63;
const stepper = new Stepper(configurationMachine);

export class Changes {
  readonly #shared: Shared;
  readonly #replication: Replication;
  readonly #machine: MachineInstance<typeof configurationMachine, RaftEffect>;
  readonly #promotions: Promotions;
  // Of the configuration that the machine was told of.
  #version = -1;
  #waiting: Waiting | null = null;
  // What the machine is to append if it agrees; null between inputs.
  #next: Configuration | null = null;

  constructor(shared: Shared, replication: Replication) {
    this.#shared = shared;
    this.#replication = replication;
    this.#promotions = new Promotions(shared.config.electionTimeoutMinMs);
    this.#machine = new MachineInstance('configuration', stepper, (action, nowMs, out) => {
      if (action.type === 'tellMembers') this.#tell(out);
      else this.#append(nowMs, out);
    });
  }

  start(nowMs: number, out: Out): void {
    this.#machine.start(undefined, nowMs, out);
  }

  ask({ ref, changes, transition, timeoutMs }: Ask, nowMs: number, out: Out): void {
    const refuse = (outcome: ChangeOutcome): void => out.emit({ type: 'changed', ref, outcome });
    const { isLeader, holdsProposals, membership, term } = this.#shared;
    if (!isLeader) return refuse('notLeader');
    if (holdsProposals || this.#waiting !== null) return refuse('underWay');
    if (!this.#isReady()) return refuse('notReady');
    const { configuration } = membership;
    const changed = ((): Changed => {
      if (transition === 'leave') return leaveJoint(configuration);
      if (transition !== 'auto') return enterJoint(configuration, changes, transition === 'joint');
      const simple = simpleChange(configuration, changes);
      const isTooMuch = 'problem' in simple && simple.problem === 'needsJoint';
      return isTooMuch ? enterJoint(configuration, changes, true) : simple;
    })();
    if ('problem' in changed) return refuse(changed.problem);
    if (membersOf(changed.configuration).length > membersMax) return refuse('tooManyMembers');
    const event = isJoint(configuration) ? 'LEAVE_ASKED' : 'CHANGE_ASKED';
    if (!this.#begin(changed.configuration, event, nowMs, out)) return refuse('underWay');
    this.#waiting = { ref, term };
    out.emit({ type: 'setTimer', timer, delayMs: timeoutMs });
  }

  /** After every input. */
  advance(nowMs: number, out: Out): void {
    this.#follow(nowMs, out);
    if (this.#shared.isLeader) this.#goOn(nowMs, out);
    else this.#promotions.end();
    this.#answer(out);
  }

  fire(fired: string, out: Out): boolean {
    if (fired !== timer) return false;
    this.#end('unfinished', out);
    return true;
  }

  /** Who asked waits no longer; the change goes on. */
  abandon(ref: number, out: Out): void {
    if (this.#waiting?.ref === ref) this.#end('abandoned', out);
  }

  /** Tells the machine what has come into effect, or has been committed, since it was told last. */
  #follow(nowMs: number, out: Out): void {
    const { membership, commitIndex, isLeader } = this.#shared;
    const isCommitted = membership.committed(commitIndex);
    if (this.#version !== membership.version) {
      this.#version = membership.version;
      const type = isJoint(membership.configuration) ? 'JOINT_IN_EFFECT' : 'SIMPLE_IN_EFFECT';
      this.#machine.send({ type }, nowMs, out);
    }
    if (!isCommitted) return;
    this.#machine.send({ type: 'COMMITTED' }, nowMs, out);
    if (isLeader) this.#replication.reconfigure(nowMs, out);
  }

  /** What a leader begins by itself. */
  #goOn(nowMs: number, out: Out): void {
    const { membership, holdsProposals, log } = this.#shared;
    const { configuration } = membership;
    const isIdle = !configuration.autoLeave && configuration.staging.length === 0;
    if (isIdle || holdsProposals || !membership.isCommitted || !this.#isReady()) return;
    if (configuration.autoLeave) return this.#propose(leaveJoint(configuration), 'LEAVE_ASKED', nowMs, out);
    if (isJoint(configuration)) return;
    const { staging } = configuration;
    const nodeId = this.#promotions.next(
      staging,
      (id) => this.#replication.matchOf(id),
      log.lastIndex,
      nowMs,
    );
    if (nodeId === null) return;
    this.#propose(simpleChange(configuration, [{ nodeId, becomes: 'voter' }]), 'CHANGE_ASKED', nowMs, out);
  }

  #propose(changed: Changed, event: 'CHANGE_ASKED' | 'LEAVE_ASKED', nowMs: number, out: Out): void {
    if ('configuration' in changed) this.#begin(changed.configuration, event, nowMs, out);
  }

  /** @returns whether the machine agreed. */
  #begin(next: Configuration, type: 'CHANGE_ASKED' | 'LEAVE_ASKED', nowMs: number, out: Out): boolean {
    this.#next = next;
    this.#machine.send({ type }, nowMs, out);
    const isBegun = this.#next === null;
    this.#next = null;
    if (isBegun) this.#follow(nowMs, out);
    return isBegun;
  }

  #append(nowMs: number, out: Out): void {
    if (this.#next === null) return;
    const { log, term } = this.#shared;
    const command = encodeConfiguration(this.#next);
    this.#next = null;
    const entry = { index: log.lastIndex + 1, term, kind: 'configuration', session: null, command } as const;
    this.#replication.append([entry], out);
    this.#replication.reconfigure(nowMs, out);
  }

  /** An entry of this leader's own term is committed. */
  #isReady(): boolean {
    const { log, commitIndex, term } = this.#shared;
    return log.termAt(commitIndex) === term;
  }

  #answer(out: Out): void {
    if (this.#waiting === null) return;
    const { isLeader, term, membership } = this.#shared;
    if (!isLeader || term !== this.#waiting.term) this.#end('unfinished', out);
    else if (membership.isCommitted && !membership.configuration.autoLeave) this.#end('done', out);
  }

  #end(outcome: ChangeOutcome, out: Out): void {
    if (this.#waiting === null) return;
    out.emit({ type: 'changed', ref: this.#waiting.ref, outcome });
    out.emit({ type: 'cancelTimer', timer });
    this.#waiting = null;
  }

  #tell(out: Out): void {
    const { configuration, index } = this.#shared.membership;
    out.emit({ type: 'membersChanged', configuration, index });
  }

  checkpoint(): ChangesCheckpoint {
    return {
      machine: this.#machine.started ? this.#machine.checkpoint() : null,
      version: this.#version,
      waiting: this.#waiting,
      promotions: this.#promotions.checkpoint(),
    };
  }

  restore({ machine, version, waiting, promotions }: ChangesCheckpoint): void {
    if (machine !== null) this.#machine.restore(machine);
    this.#version = version;
    this.#waiting = waiting;
    this.#promotions.restore(promotions);
  }
}
