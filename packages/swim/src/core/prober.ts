/** Probing: our own rounds, answers to others' probes, and probes made for others. */
import {
  type ActionOf,
  type Address,
  type InstanceCheckpoint,
  MachineInstance,
  type Sink,
  Stepper,
} from '@cluster/core';
import type { SwimEffect } from './effects.ts';
import type { Gossip } from './gossip.ts';
import type { Membership } from './membership.ts';
import {
  type IndirectPing,
  type Message,
  noBytes,
  type Ping,
  type PingSource,
  type RejectReason,
} from './messages.ts';
import { probeMachine } from './probe.machine.ts';
import type { Pool } from './pool.ts';
import { failedProbeDelta, healthScore } from './scaling.ts';
import { protocolMax } from './versions.ts';

type Out = Sink<SwimEffect>;

/** A probe for somebody else, by the sequence number we gave it. */
interface Relay {
  readonly seqNo: number;
  readonly replyTo: Address;
  /** The asker is yet to hear that there was no answer. */
  nack: boolean;
}

export interface ProberCheckpoint {
  readonly probe: InstanceCheckpoint;
  readonly nextSeqNo: number;
  readonly expectedNacks: number;
  readonly incarnation: number;
  readonly health: number;
  readonly ackPayload: Uint8Array;
  readonly relays: readonly (readonly [number, Relay])[];
}

const relayTimer = 'relay/';
// Of the time that the asker has left when it asks. A nack that comes after the end of its period is one that is missing: then
// whoever probes the dead would take itself for slow (Lifeguard, LHA-Probe).
// Deviation: memberlist waits a whole ping timeout, which by its defaults and ours is all that is left.
const nackShare = 0.8;
// Protocol versions from which a peer answers TCP pings, sends nacks and reads checksums.
const streamPingVersion = 3;
const nackVersion = 4;
export const checksumVersion = 5;

const stepper = new Stepper(probeMachine);

export class Prober {
  readonly #pool: Pool;
  readonly #members: Membership;
  readonly #gossip: Gossip;
  readonly #machine: MachineInstance<typeof probeMachine, SwimEffect>;
  readonly #relays = new Map<number, Relay>();
  #nextSeqNo: number;
  #expectedNacks = 0;
  /** Of the target, when the ping went out. */
  #incarnation = 0;
  #health = 0;
  #answerPayload = noBytes;
  /** Goes with every answer of ours, for the layer above. */
  ackPayload = noBytes;

  constructor(pool: Pool, members: Membership, gossip: Gossip) {
    this.#pool = pool;
    this.#members = members;
    this.#gossip = gossip;
    // Not from 1: an answer to our former life must not pass for one to this.
    this.#nextSeqNo = pool.prng.u32();
    this.#machine = new MachineInstance('probe', stepper, (action, nowMs, out) =>
      this.#perform(action, nowMs, out),
    );
  }

  /** Local health score: 0 is well; the probe period grows by one period for each point. */
  get health(): number {
    return this.#health;
  }

  get #periodMs(): number {
    return this.#pool.options.config.probePeriodMs * (this.#health + 1);
  }

  init(nowMs: number, out: Out): void {
    this.#machine.start(undefined, nowMs, out);
  }

  /** At a random moment within the first period, so that a pool started at once does not probe in step. */
  start(nowMs: number, out: Out): void {
    const { probePeriodMs } = this.#pool.options.config;
    this.#machine.send({ type: 'START', firstDelayMs: this.#pool.prng.float() * probePeriodMs }, nowMs, out);
  }

  stop(nowMs: number, out: Out): void {
    this.#machine.send({ type: 'STOP' }, nowMs, out);
  }

  worsen(delta: number): void {
    this.#health = healthScore(this.#health, delta, this.#pool.options.config.healthScoreMax);
  }

  fire(timer: string, nowMs: number, out: Out): boolean {
    if (!timer.startsWith(relayTimer)) return this.#machine.fire(timer, nowMs, out);
    this.#relayUnanswered(Number(timer.slice(relayTimer.length)), out);
    return true;
  }

  /** Answers, unless somebody else is meant: then silence is the truth. */
  answer(ping: Ping, from: Address, out: Out): void {
    if (!this.isMeant(ping)) return;
    const ack: Message = { type: 'ack', seqNo: ping.seqNo, payload: this.ackPayload };
    this.#gossip.send(ping.source?.address ?? from, [ack, ...this.#deathOf(ping.source)], false, out);
  }

  /**
   * Who pings us and is dead or has left by our record hears of it, and refutes if it can (foca's TurnUndead). Gossip alone reaches the
   * recently dead, and those that left not at all.
   */
  #deathOf(source: PingSource | null): readonly Message[] {
    const row = source === null ? undefined : this.#members.find(source.node);
    if (row?.state !== 'dead' && row?.state !== 'left') return [];
    const { name: node, incarnation, state } = row;
    return [{ type: 'dead', incarnation, node, from: state === 'left' ? node : this.#pool.self.name }];
  }

  isMeant(ping: Ping): boolean {
    return ping.node === '' || ping.node === this.#pool.self.name;
  }

  /** Probes for somebody else. */
  relay(request: IndirectPing, from: Address, out: Out): RejectReason | undefined {
    const { relaysMax, pingTimeoutMs } = this.#pool.options.config;
    if (this.#relays.size >= relaysMax) return 'relays';
    const seqNo = this.takeSeqNo();
    const replyTo = request.source?.address ?? from;
    this.#relays.set(seqNo, { seqNo: request.seqNo, replyTo, nack: request.nack });
    const delayMs = request.nack ? this.#nackAfterMs : pingTimeoutMs;
    out.emit({ type: 'setTimer', timer: `${relayTimer}${seqNo}`, delayMs });
    this.#gossip.send(request.target, [this.#ping(seqNo, request.node)], false, out);
    return undefined;
  }

  /** Asks whether the named member is at an address; the answer is for whoever took the number. A stranger gets no news with it. */
  ping(to: Address, node: string, seqNo: number, out: Out): void {
    out.emit({ type: 'send', to, messages: [this.#ping(seqNo, node)], checksum: false });
  }

  acknowledged(seqNo: number, payload: Uint8Array, nowMs: number, out: Out): void {
    const relay = this.#relays.get(seqNo);
    if (relay === undefined) {
      this.#answerPayload = payload;
      return this.#machine.send({ type: 'ACK_RECEIVED', seqNo, atMs: nowMs }, nowMs, out);
    }
    this.#relays.delete(seqNo);
    out.emit({ type: 'cancelTimer', timer: `${relayTimer}${seqNo}` });
    this.#gossip.send(relay.replyTo, [{ type: 'ack', seqNo: relay.seqNo, payload: noBytes }], false, out);
  }

  nacked(seqNo: number, nowMs: number, out: Out): void {
    this.#machine.send({ type: 'NACK_RECEIVED', seqNo }, nowMs, out);
  }

  answeredOverStream(seqNo: number, nowMs: number, out: Out): void {
    this.#machine.send({ type: 'STREAM_ANSWERED', seqNo }, nowMs, out);
  }

  checkpoint(): ProberCheckpoint {
    return {
      probe: this.#machine.checkpoint(),
      nextSeqNo: this.#nextSeqNo,
      expectedNacks: this.#expectedNacks,
      incarnation: this.#incarnation,
      health: this.#health,
      ackPayload: this.ackPayload,
      relays: Array.from(this.#relays, ([seqNo, relay]) => [seqNo, { ...relay }] as const),
    };
  }

  restore(checkpoint: ProberCheckpoint): void {
    const { probe, nextSeqNo, expectedNacks, incarnation, health, ackPayload, relays } = checkpoint;
    this.#machine.restore(probe);
    this.#nextSeqNo = nextSeqNo;
    this.#expectedNacks = expectedNacks;
    this.#incarnation = incarnation;
    this.#health = health;
    this.ackPayload = ackPayload;
    this.#relays.clear();
    for (const [seqNo, relay] of relays) this.#relays.set(seqNo, { ...relay });
  }

  #perform(action: ActionOf<typeof probeMachine>, nowMs: number, out: Out): void {
    switch (action.type) {
      case 'chooseTarget':
        return this.#chooseTarget(nowMs, out);
      case 'sendPing':
        return this.#sendPing(action.params.target, action.params.seqNo, out);
      case 'askOthers':
        return this.#askOthers(action.params.target, action.params.seqNo, out);
      case 'reportAnswer': {
        const { target, roundTripMs } = action.params;
        this.worsen(-1);
        this.#members.seen(target, nowMs);
        out.emit({
          type: 'countProbe',
          target,
          outcome: 'answered',
          roundTripMs,
          payload: this.#answerPayload,
        });
        return;
      }
      case 'reportOnlyStream': {
        const { target } = action.params;
        this.worsen(-1);
        this.#members.seen(target, nowMs);
        out.emit({ type: 'countProbe', target, outcome: 'only_stream', roundTripMs: null, payload: noBytes });
        return;
      }
      case 'reportFailure': {
        const { target, nacks } = action.params;
        this.worsen(failedProbeDelta(this.#expectedNacks, nacks));
        out.emit({ type: 'countProbe', target, outcome: 'failed', roundTripMs: null, payload: noBytes });
        // Who has come back or refuted meanwhile is not meant.
        this.#members.accuse(target, this.#incarnation, nowMs, out);
        return;
      }
      case 'beginRound':
      case 'waitForFirst':
      case 'waitWholePeriod':
      case 'waitForRest':
      case 'countNack':
      case 'noteStream':
        // Assignments: the machine has made them.
        return;
    }
  }

  #chooseTarget(nowMs: number, out: Out): void {
    const members = this.#members;
    const target = members.order.take(
      (name) => members.isIn(name, 'alive', 'suspect'),
      this.#pool.prng,
      () => members.reap(nowMs, out),
    );
    const periodMs = this.#periodMs;
    if (target === undefined) return this.#machine.send({ type: 'NOBODY_TO_PROBE', periodMs }, nowMs, out);
    const { pingTimeoutMs } = this.#pool.options.config;
    const round = { target, seqNo: this.takeSeqNo(), periodMs, pingTimeoutMs, startedAtMs: nowMs };
    this.#machine.send({ type: 'TARGET_CHOSEN', round }, nowMs, out);
  }

  #sendPing(target: string, seqNo: number, out: Out): void {
    const row = this.#members.row(target);
    this.#incarnation = row.incarnation;
    const messages: Message[] = [this.#ping(seqNo, target)];
    // The suspected hears of it with the ping, so that it can refute at once (Lifeguard, buddy system).
    if (row.state === 'suspect' && this.#pool.options.config.buddySystem)
      messages.push({
        type: 'suspect',
        incarnation: row.incarnation,
        node: target,
        from: this.#pool.self.name,
      });
    this.#gossip.send(row.address, messages, false, out);
  }

  #askOthers(target: string, seqNo: number, out: Out): void {
    const { config } = this.#pool.options;
    // It may have left or been reaped since the ping; then there is nobody to ask about.
    const row = this.#members.find(target);
    this.#expectedNacks = 0;
    if (row === undefined) return;
    const helps = (name: string): boolean => name !== target && this.#members.isIn(name, 'alive');
    for (const name of this.#members.order.sample(config.indirectProbes, helps, this.#pool.prng)) {
      const helper = this.#members.row(name);
      const nack = protocolMax(helper) >= nackVersion;
      if (nack) this.#expectedNacks++;
      const request: IndirectPing = {
        type: 'indirectPing',
        seqNo,
        target: row.address,
        node: target,
        nack,
        source: this.#source,
      };
      this.#gossip.send(helper.address, [request], false, out);
    }
    const mayUseStream = config.streamProbe && !config.streamProbeExcept.includes(target);
    if (mayUseStream && protocolMax(row) >= streamPingVersion)
      out.emit({ type: 'streamPing', to: row.address, ping: this.#ping(seqNo, target) });
  }

  /** Says so, and goes on waiting for what is left of a ping timeout: an answer still helps the asker. */
  #relayUnanswered(relaySeqNo: number, out: Out): void {
    const relay = this.#relays.get(relaySeqNo);
    if (!relay?.nack) return void this.#relays.delete(relaySeqNo);
    relay.nack = false;
    const delayMs = this.#pool.options.config.pingTimeoutMs - this.#nackAfterMs;
    out.emit({ type: 'setTimer', timer: `${relayTimer}${relaySeqNo}`, delayMs });
    this.#gossip.send(relay.replyTo, [{ type: 'nack', seqNo: relay.seqNo }], false, out);
  }

  get #nackAfterMs(): number {
    const { pingTimeoutMs, probePeriodMs } = this.#pool.options.config;
    return nackShare * Math.min(pingTimeoutMs, probePeriodMs - pingTimeoutMs);
  }

  get #source(): PingSource {
    const { address, name } = this.#pool.self;
    return { address, node: name };
  }

  #ping(seqNo: number, node: string): Ping {
    return { type: 'ping', seqNo, node, source: this.#source };
  }

  takeSeqNo(): number {
    const seqNo = this.#nextSeqNo;
    this.#nextSeqNo = (seqNo + 1) >>> 0;
    return seqNo;
  }
}
