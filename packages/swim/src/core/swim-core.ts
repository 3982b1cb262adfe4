/**
 * Membership without I/O: hands each input to the part it concerns.
 *
 * `Membership` holds the others, `Agent` ourselves, `Prober` detects failures, `Gossip` spreads claims, `Schedule` runs the
 * periodic rest. The three machines in them decide; see `*.machine.ts`.
 */
import {
  packPlain,
  Prng,
  type PrngState,
  type ProtocolCore,
  type Sink,
  type TimerInput,
  unpackPlain,
} from '@cluster/core';
import { Agent, type AgentCheckpoint } from './agent.ts';
import type { MemberRecord, SwimEffect, SwimInput } from './effects.ts';
import { Exchanges, type ExchangesCheckpoint } from './exchanges.ts';
import { Gossip, type GossipCheckpoint } from './gossip.ts';
import { Membership, type MembershipCheckpoint, claimOf, recordOf } from './membership.ts';
import {
  type Claim,
  type Message,
  ownVsn,
  type PeerRecord,
  type PeerState,
  type PushPull,
} from './messages.ts';
import type { CoreOptions, Pool } from './pool.ts';
import { Prober, type ProberCheckpoint } from './prober.ts';
import { Schedule } from './schedule.ts';
import { versionsAgree } from './versions.ts';

type Out = Sink<SwimEffect>;

interface Checkpoint {
  readonly started: boolean;
  readonly prng: PrngState;
  readonly agent: AgentCheckpoint;
  readonly members: MembershipCheckpoint;
  readonly prober: ProberCheckpoint;
  readonly gossip: GossipCheckpoint;
  readonly exchanges: ExchangesCheckpoint;
}

const nowhere: Out = { observer: null, emit: () => undefined };

export class SwimCore implements ProtocolCore<SwimInput, SwimEffect> {
  readonly #pool: Pool;
  readonly #members: Membership;
  readonly #gossip: Gossip;
  readonly #prober: Prober;
  readonly #exchanges: Exchanges;
  readonly #schedule: Schedule;
  readonly #agent: Agent;
  #started = false;

  constructor(options: CoreOptions) {
    const { name, bind } = options.config;
    this.#pool = {
      options,
      prng: Prng.fromSeed(options.seed, name),
      self: { name, address: options.config.advertise ?? bind, meta: options.meta, vsn: ownVsn },
    };
    this.#gossip = new Gossip(this.#pool, () => this.#members.size);
    this.#members = new Membership(this.#pool, (claim, out) => this.#gossip.spread(claim, out));
    this.#prober = new Prober(this.#pool, this.#members, this.#gossip);
    this.#exchanges = new Exchanges(() => this.#records());
    this.#schedule = new Schedule(this.#pool, this.#members, this.#gossip, this.#exchanges);
    this.#agent = new Agent(this.#pool, {
      members: this.#members,
      gossip: this.#gossip,
      prober: this.#prober,
      exchanges: this.#exchanges,
      schedule: this.#schedule,
    });
    // Machines have no entry actions or timers in their initial states: this only gives them a state to be in.
    this.#agent.init(0, nowhere);
    this.#prober.init(0, nowhere);
  }

  /** `stopped`, `running.settled`, `running.joining`, `leaving` or `left`. */
  get agentState(): string {
    return this.#agent.state;
  }

  get health(): number {
    return this.#prober.health;
  }

  get queued(): number {
    return this.#gossip.queued;
  }

  /** Other members by state. */
  get counts(): Readonly<Record<PeerState, number>> {
    return this.#members.counts;
  }

  /** Claims waiting to be gossiped. */
  broadcasts(): readonly Message[] {
    return this.#gossip.list().map(({ message }) => message);
  }

  self(nowMs: number): MemberRecord {
    return this.#agent.record(nowMs);
  }

  /** Everybody on record, ourselves first. */
  members(nowMs: number): readonly MemberRecord[] {
    return [this.self(nowMs), ...Array.from(this.#members.rows(), recordOf)];
  }

  handle(input: SwimInput | TimerInput, nowMs: number, out: Out): void {
    this.#take(input, nowMs, out);
    this.#agent.checkLeaving(nowMs, out);
  }

  checkpoint(): Uint8Array {
    const checkpoint: Checkpoint = {
      started: this.#started,
      prng: this.#pool.prng.state,
      agent: this.#agent.checkpoint(),
      members: this.#members.checkpoint(),
      prober: this.#prober.checkpoint(),
      gossip: this.#gossip.checkpoint(),
      exchanges: this.#exchanges.checkpoint(),
    };
    return packPlain(checkpoint);
  }

  restore(bytes: Uint8Array): void {
    const checkpoint = unpackPlain(bytes) as Checkpoint;
    this.#started = checkpoint.started;
    this.#pool.prng.restore(checkpoint.prng);
    this.#agent.restore(checkpoint.agent);
    this.#members.restore(checkpoint.members);
    this.#prober.restore(checkpoint.prober);
    this.#gossip.restore(checkpoint.gossip);
    this.#exchanges.restore(checkpoint.exchanges);
  }

  #take(input: SwimInput | TimerInput, nowMs: number, out: Out): void {
    switch (input.type) {
      case 'TIMER':
        return this.#fire(input.timer, nowMs, out);
      case 'START':
        return this.#agent.start(input, nowMs, out);
      case 'PACKET':
        for (const reason of input.rejected) out.emit({ type: 'countRejected', channel: 'packets', reason });
        if (!this.#agent.isActive) return;
        for (const message of input.messages) this.#hear(message, input, nowMs, out);
        return;
      case 'JOIN':
        return this.#agent.join(input, nowMs, out);
      case 'JOIN_ABORTED':
        return this.#agent.abortJoin(input.join, nowMs, out);
      case 'EXCHANGE_ASKED':
        return this.#exchangeAsked(input, nowMs, out);
      case 'EXCHANGE_ANSWERED':
        return this.#exchangeAnswered(input, nowMs, out);
      case 'EXCHANGE_FAILED': {
        const { code, reason } = input;
        const exchange = this.#exchanges.finish(input.exchange);
        if (exchange?.join === true) this.#agent.seedSettled({ seed: exchange.to, code, reason }, nowMs, out);
        return;
      }
      case 'STREAM_PING': {
        const { stream, ping } = input;
        if (this.#agent.isActive && this.#prober.isMeant(ping))
          return out.emit({ type: 'answerStreamPing', stream, seqNo: ping.seqNo });
        return out.emit({ type: 'refuseStream', stream, reason: 'name' });
      }
      case 'STREAM_PING_ANSWERED':
        return this.#prober.answeredOverStream(input.seqNo, nowMs, out);
      case 'STREAM_REJECTED':
        return out.emit({ type: 'countRejected', channel: 'streams', reason: input.reason });
      case 'TAGS_SET':
        return this.#agent.setTags(input.meta, nowMs, out);
      case 'INCARNATION_STORED':
        return this.#agent.incarnationStored(input.reserved, nowMs, out);
      case 'USER_BROADCAST':
        if (this.#agent.isActive) this.#gossip.spreadUser(input.rank, input.name, input.payload, out);
        return;
      case 'ACK_PAYLOAD_SET':
        this.#prober.ackPayload = input.payload;
        return;
      case 'USER_SEND':
        if (this.#agent.isActive)
          this.#gossip.send(input.to, [{ type: 'user', payload: input.payload }], false, out);
        return;
      case 'DECLARED_LEFT':
        return this.#members.declareLeft(input.name, nowMs, out);
      case 'LEAVE':
        return this.#agent.leave(nowMs, out);
      case 'STOP':
        return this.#agent.stop(nowMs, out);
    }
  }

  #fire(timer: string, nowMs: number, out: Out): void {
    // Exactly one of them knows the timer; none does when it was cancelled while it fired.
    if (this.#agent.isActive && this.#schedule.fire(timer, nowMs, out)) return;
    if (this.#members.fire(timer, nowMs, out) || this.#agent.fire(timer, nowMs, out)) return;
    this.#prober.fire(timer, nowMs, out);
  }

  #hear(message: Message, packet: Extract<SwimInput, { type: 'PACKET' }>, nowMs: number, out: Out): void {
    const { from } = packet;
    switch (message.type) {
      case 'ping':
        return this.#prober.answer(message, from, out);
      case 'indirectPing': {
        const reason = this.#prober.relay(message, from, out);
        if (reason !== undefined) out.emit({ type: 'countRejected', channel: 'packets', reason });
        return;
      }
      case 'ack':
        return this.#prober.acknowledged(message.seqNo, message.payload, nowMs, out);
      case 'nack':
        return this.#prober.nacked(message.seqNo, nowMs, out);
      case 'user':
        return out.emit({ type: 'deliverUserMessage', payload: message.payload, from });
      case 'alive':
      case 'suspect':
      case 'dead':
        return this.#claim(message, 'packets', nowMs, out);
    }
  }

  #claim(claim: Claim, channel: 'packets' | 'streams', nowMs: number, out: Out): void {
    const about = claim.node === this.#pool.self.name ? this.#agent : this.#members;
    const reason = about.hear(claim, nowMs, out);
    if (reason !== undefined) out.emit({ type: 'countRejected', channel, reason });
  }

  #exchangeAsked(input: Extract<SwimInput, { type: 'EXCHANGE_ASKED' }>, nowMs: number, out: Out): void {
    const { stream, content } = input;
    if (!this.#agent.isActive) return out.emit({ type: 'refuseStream', stream, reason: 'type' });
    if (!this.#versionsAgree(content)) return out.emit({ type: 'refuseStream', stream, reason: 'versions' });
    // Deviation: memberlist answers first. Merging first puts our refutation of what the peer wrongly believes of us into the
    // answer, so that one exchange heals a partition instead of two.
    this.#merge(content, nowMs, out);
    out.emit({ type: 'answerExchange', stream, join: content.join, members: this.#records() });
  }

  #exchangeAnswered(input: Extract<SwimInput, { type: 'EXCHANGE_ANSWERED' }>, nowMs: number, out: Out): void {
    const exchange = this.#exchanges.finish(input.exchange);
    if (exchange === undefined) return;
    const agree = this.#versionsAgree(input.content);
    if (agree) this.#merge(input.content, nowMs, out);
    else out.emit({ type: 'countRejected', channel: 'streams', reason: 'versions' });
    if (!exchange.join) return;
    const seed = exchange.to;
    const failure = {
      seed,
      code: 'SWIM_VERSION_MISMATCH',
      reason: 'its pool speaks protocol versions that ours does not',
    };
    this.#agent.seedSettled(agree ? null : failure, nowMs, out);
  }

  #merge({ members, userState, join }: PushPull, nowMs: number, out: Out): void {
    for (const record of members) this.#claim(claimOf(record, this.#pool.self.name), 'streams', nowMs, out);
    if (userState.length > 0) out.emit({ type: 'deliverUserState', state: userState, join });
  }

  #versionsAgree({ members }: PushPull): boolean {
    const alive = [...this.#records(), ...members].filter(({ state }) => state === 'alive');
    return versionsAgree(alive);
  }

  #records(): PeerRecord[] {
    return [this.#agent.peerRecord(), ...this.#members.records()];
  }
}
