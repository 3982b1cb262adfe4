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
import { type Check, Checks, type ChecksCheckpoint } from './checks.ts';
import { claimOf } from './claims.ts';
import type { MemberRecord, SwimEffect, SwimInput } from './effects.ts';
import { Exchanges, type ExchangesCheckpoint } from './exchanges.ts';
import { Gossip, type GossipCheckpoint, type QueueName } from './gossip.ts';
import { Membership, type MembershipCheckpoint, recordOf } from './membership.ts';
import {
  type Claim,
  type Message,
  ownVsn,
  type PeerRecord,
  type PeerState,
  type PushPull,
  sameAddress,
} from './messages.ts';
import type { SavedPeer } from '../member.ts';
import type { CoreOptions, Pool } from './pool.ts';
import { Prober, type ProberCheckpoint } from './prober.ts';
import { Recall, type RecallCheckpoint } from './recall.ts';
import { Rejoin, type RejoinCheckpoint } from './rejoin.ts';
import { Schedule, type ScheduleCheckpoint } from './schedule.ts';
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
  readonly checks: ChecksCheckpoint;
  readonly rejoin: RejoinCheckpoint;
  readonly recall: RecallCheckpoint;
  readonly schedule: ScheduleCheckpoint;
}

const nowhere: Out = { observer: null, emit: () => undefined };

export class SwimCore implements ProtocolCore<SwimInput, SwimEffect> {
  readonly #pool: Pool;
  readonly #members: Membership;
  readonly #gossip: Gossip;
  readonly #prober: Prober;
  readonly #exchanges: Exchanges;
  readonly #schedule: Schedule;
  readonly #checks: Checks;
  readonly #rejoin: Rejoin;
  readonly #recall: Recall;
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
    this.#members = new Membership(this.#pool, {
      spread: (claim, out) => this.#gossip.spread(claim, out),
      askOldPlace: (place, nowMs, out) => this.#checks.beginOldPlace(place, nowMs, out),
    });
    this.#prober = new Prober(this.#pool, this.#members, this.#gossip);
    this.#exchanges = new Exchanges(() => this.records());
    this.#schedule = new Schedule(this.#pool, this.#members, this.#gossip, this.#exchanges);
    this.#checks = new Checks(this.#pool, this.#prober, (check, isThere, nowMs, out) =>
      this.#checked(check, isThere, nowMs, out),
    );
    this.#recall = new Recall(this.#pool, this.#members, this.#gossip);
    this.#rejoin = new Rejoin(this.#pool, this.#members, this.#exchanges);
    this.#agent = new Agent(this.#pool, {
      checks: this.#checks,
      members: this.#members,
      gossip: this.#gossip,
      prober: this.#prober,
      exchanges: this.#exchanges,
      schedule: this.#schedule,
    });
    // Machines have no entry actions or timers in their initial states: this only gives them a state to be in.
    this.#agent.init(0, nowhere);
    this.#prober.init(0, nowhere);
    this.#rejoin.init(0, nowhere);
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

  /** Broadcasts that wait, by queue. */
  get queues(): Readonly<Record<QueueName, number>> {
    return this.#gossip.depths;
  }

  /** Other members by state. */
  get counts(): Readonly<Record<PeerState, number>> {
    return this.#members.counts;
  }

  /** Claims waiting to be gossiped. */
  broadcasts(): readonly Message[] {
    return this.#gossip.list().map(({ message }) => message);
  }

  /** Known before, and on no record now. */
  get missing(): readonly SavedPeer[] {
    return this.#members.forgotten.peers();
  }

  self(nowMs: number): MemberRecord {
    return this.#agent.record(nowMs);
  }

  /** Everybody on record, ourselves first. */
  members(nowMs: number): readonly MemberRecord[] {
    return [this.self(nowMs), ...Array.from(this.#members.rows(), recordOf)];
  }

  /** Everybody on record as a push/pull carries them, ourselves first. */
  records(): readonly PeerRecord[] {
    return [this.#agent.peerRecord(), ...this.#members.records()];
  }

  handle(input: SwimInput | TimerInput, nowMs: number, out: Out): void {
    this.#take(input, nowMs, out);
    this.#schedule.wake(nowMs, out);
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
      checks: this.#checks.checkpoint(),
      rejoin: this.#rejoin.checkpoint(),
      recall: this.#recall.checkpoint(),
      schedule: this.#schedule.checkpoint(),
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
    this.#checks.restore(checkpoint.checks);
    this.#rejoin.restore(checkpoint.rejoin);
    this.#recall.restore(checkpoint.recall);
    this.#schedule.restore(checkpoint.schedule);
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
        return this.#recall.look(nowMs, out);
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
        if (exchange?.purpose === 'join')
          this.#agent.seedSettled({ seed: exchange.to, code, reason }, nowMs, out);
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
      case 'INTRODUCED':
        if (this.#agent.isActive) this.#introduce(input.members, nowMs, out);
        return;
      case 'REMEMBERED':
        if (this.#agent.isActive) this.#rejoin.remember(input.peers, nowMs, out);
        return;
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
        this.#rejoin.giveUp(nowMs, out);
        return this.#agent.leave(nowMs, out);
      case 'STOP':
        this.#rejoin.giveUp(nowMs, out);
        return this.#agent.stop(nowMs, out);
    }
  }

  #fire(timer: string, nowMs: number, out: Out): void {
    // Exactly one of them knows the timer; none does when it was cancelled while it fired.
    if (this.#agent.isActive && this.#schedule.fire(timer, nowMs, out)) return;
    if (this.#members.fire(timer, nowMs, out) || this.#agent.fire(timer, nowMs, out)) return;
    if (this.#checks.fire(timer, nowMs, out) || this.#rejoin.fire(timer, nowMs, out)) return;
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
        if (this.#checks.acknowledged(message.seqNo, nowMs, out)) return;
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

  #introduce(members: readonly PeerRecord[], nowMs: number, out: Out): void {
    for (const record of members) {
      const claim = claimOf(record);
      if (claim.type !== 'alive' || claim.node === this.#pool.self.name) continue;
      const reason = this.#members.introduce(claim, nowMs, out);
      if (reason !== undefined) out.emit({ type: 'countRejected', channel: 'streams', reason });
    }
    // Periods grow with the pool: they begin anew, each at a random moment.
    this.#schedule.start(out);
  }

  #exchangeAsked(input: Extract<SwimInput, { type: 'EXCHANGE_ASKED' }>, nowMs: number, out: Out): void {
    const { stream, content } = input;
    if (!this.#agent.isActive) return out.emit({ type: 'refuseStream', stream, reason: 'type' });
    if (!this.#versionsAgree(content)) return out.emit({ type: 'refuseStream', stream, reason: 'versions' });
    const newcomer = this.#newcomer(content);
    if (newcomer === null) return this.#admit(stream, content, nowMs, out);
    // A stream that was closed while its check goes on has made room for another.
    if (this.#checks.isFull('newcomer')) return out.emit({ type: 'refuseStream', stream, reason: 'streams' });
    this.#checks.begin(newcomer.address, newcomer.name, { kind: 'newcomer', stream, content }, nowMs, out);
  }

  /** Who joins alone and is not known to be there: to be checked before anybody hears of it. */
  #newcomer({ join, members }: PushPull): PeerRecord | null {
    const [one, ...others] = members.filter(({ state }) => state === 'alive');
    if (!this.#pool.options.config.verifyJoiners || !join || one === undefined || others.length > 0)
      return null;
    if (one.name === this.#pool.self.name) return null;
    const known = this.#members.find(one.name);
    const isKnown = known !== undefined && this.#members.isIn(one.name, 'alive', 'suspect');
    return isKnown && sameAddress(known.address, one.address) ? null : one;
  }

  #checked({ reason, address }: Check, isThere: boolean, nowMs: number, out: Out): void {
    if (!this.#agent.isActive) return;
    switch (reason.kind) {
      case 'newcomer':
        if (isThere) return this.#admit(reason.stream, reason.content, nowMs, out);
        return out.emit({ type: 'refuseStream', stream: reason.stream, reason: 'unreachable' });
      case 'rival':
        return isThere ? out.emit({ type: 'rivalAnswered', address }) : undefined;
      case 'oldPlace':
        return this.#members.oldPlaceAsked(reason.place, isThere, nowMs, out);
    }
  }

  #admit(stream: number, content: PushPull, nowMs: number, out: Out): void {
    // Deviation: memberlist answers first. Merging first puts our refutation of what the peer wrongly believes of us into the
    // answer, so that one exchange heals a partition instead of two.
    this.#merge(content, false, nowMs, out);
    out.emit({ type: 'answerExchange', stream, join: content.join, members: this.records() });
  }

  #exchangeAnswered(input: Extract<SwimInput, { type: 'EXCHANGE_ANSWERED' }>, nowMs: number, out: Out): void {
    const exchange = this.#exchanges.finish(input.exchange);
    if (exchange === undefined) return;
    const agree = this.#versionsAgree(input.content);
    if (agree) this.#merge(input.content, exchange.purpose !== 'sync', nowMs, out);
    else out.emit({ type: 'countRejected', channel: 'streams', reason: 'versions' });
    if (exchange.purpose === 'rejoin' && agree) this.#rejoin.found(nowMs, out);
    if (exchange.purpose !== 'join') return;
    const seed = exchange.to;
    const failure = {
      seed,
      code: 'SWIM_VERSION_MISMATCH',
      reason: 'its pool speaks protocol versions that ours does not',
    };
    this.#agent.seedSettled(agree ? null : failure, nowMs, out);
  }

  /** @param isOurs whether we come to the pool of the peer by it. */
  #merge({ members, userState, join }: PushPull, isOurs: boolean, nowMs: number, out: Out): void {
    for (const record of members) this.#claim(claimOf(record), 'streams', nowMs, out);
    if (userState.length > 0)
      out.emit({
        type: 'deliverUserState',
        state: userState,
        join,
        isOurs: isOurs || this.#rejoin.isSearching,
      });
  }

  #versionsAgree({ members }: PushPull): boolean {
    const all = [this.#agent.peerRecord(), ...this.#members.rows(), ...members];
    return versionsAgree(all.filter(({ state }) => state === 'alive'));
  }
}
