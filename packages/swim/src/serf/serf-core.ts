/**
 * Serf's layer without I/O: intents to join and leave, user events, queries. It runs beside membership, told by it who is there, and
 * speaks through its broadcasts and packets; what it says is ordered by three Lamport clocks, as Serf has it.
 */
import {
  type Address,
  type InstanceCheckpoint,
  MachineInstance,
  packPlain,
  Prng,
  type PrngState,
  type ProtocolCore,
  type Sink,
  Stepper,
  type TimerInput,
  unpackPlain,
} from '@cluster/core';
import type { SwimConfig } from '../config.ts';
import { bytesEqual, noBytes } from '../core/messages.ts';
import { retransmitLimit } from '../core/scaling.ts';
import type { SerfEffect, SerfInput } from './effects.ts';
import { Coordinates, type CoordinatesCheckpoint } from './coordinates.ts';
import { conflictMachine } from './conflict.machine.ts';
import { isForUs } from './filters.ts';
import { type Intent, Intents, type IntentsCheckpoint } from './intents.ts';
import { LamportClock } from './lamport.ts';
import type { EventMessage, QueryMessage, ResponseMessage, SerfMessage, SerfState } from './messages.ts';
import { Queries, type QueriesCheckpoint } from './queries.ts';
import type { Coordinate } from './vivaldi.ts';
import { eventBytesMax, Recent, type RecentCheckpoint } from './recent.ts';

type Out = Sink<SerfEffect>;

export interface SerfOptions {
  readonly config: SwimConfig;
  readonly seed: number;
  readonly encode: (message: SerfMessage) => Uint8Array;
}

interface Said {
  readonly name: string;
  readonly payload: Uint8Array;
}

interface Checkpoint {
  readonly address: Address;
  readonly tags: Readonly<Record<string, string>>;
  readonly times: readonly [number, number, number];
  readonly eventsFrom: number;
  readonly broadcasts: number;
  readonly isLeaving: boolean;
  readonly prng: PrngState;
  readonly intents: IntentsCheckpoint;
  readonly conflict: InstanceCheckpoint;
  readonly queries: QueriesCheckpoint;
  readonly coordinates: CoordinatesCheckpoint;
  readonly recentEvents: RecentCheckpoint<Said>;
  readonly recentQueries: RecentCheckpoint<number>;
}

// Different things said at one Lamport time: members that have not heard of each other yet.
const sameTimeMax = 64;
// Serf's rule for a query's time: so many gossip rounds, grown with the pool.
const queryTimeoutMult = 16;
const leaveTimer = 'leave';
const nowhere: Out = { observer: null, emit: () => undefined };
const conflictStepper = new Stepper(conflictMachine);

export class SerfCore implements ProtocolCore<SerfInput, SerfEffect> {
  readonly #options: SerfOptions;
  readonly #prng: Prng;
  readonly #clock = new LamportClock();
  readonly #eventClock = new LamportClock();
  readonly #queryClock = new LamportClock();
  readonly #intents: Intents;
  readonly #conflict = new MachineInstance<typeof conflictMachine, SerfEffect>(
    'conflict',
    conflictStepper,
    (action, _nowMs, out) => out.emit({ type: action.type === 'askPool' ? 'askForVotes' : 'nameLost' }),
  );
  readonly #queries = new Queries();
  readonly #coordinates: Coordinates;
  readonly #recentEvents: Recent<Said>;
  readonly #recentQueries: Recent<number>;
  #address: Address;
  #tags: Readonly<Record<string, string>>;
  #eventsFrom = 0;
  #broadcasts = 0;
  #isLeaving = false;

  constructor(options: SerfOptions) {
    const { config, seed } = options;
    this.#options = options;
    this.#prng = Prng.fromSeed(seed, `${config.name}/serf`);
    this.#coordinates = new Coordinates(this.#prng, seed);
    this.#address = config.advertise ?? config.bind;
    this.#tags = config.tags;
    this.#intents = new Intents(config.membersMax, seed);
    this.#conflict.start(undefined, 0, nowhere);
    this.#recentEvents = new Recent(config.serf.eventBuffer, sameTimeMax);
    this.#recentQueries = new Recent(config.serf.queryBuffer, sameTimeMax);
  }

  /** `alive`, `leaving`, `failed` or `left`; undefined for a stranger. */
  intentOf(member: string): string | undefined {
    return this.#intents.stateOf(member);
  }

  /** Other members that are there to stay. */
  alive(): readonly string[] {
    const own = this.#options.config.name;
    return this.#intents.alive().flatMap(({ name }) => (name === own ? [] : [name]));
  }

  /** Whether to hear this would change nothing and say nothing. */
  isOldNews(message: SerfMessage): boolean {
    const isIntent = message.type === 'join' || message.type === 'leave';
    return isIntent && message.lTime < this.#clock.time && this.#intents.isOld(message);
  }

  /** Questions of ours that are open. */
  get openQueries(): number {
    return this.#queries.size;
  }

  /** Where a member is in the network, as far as we have heard from itself; ours is always known. */
  coordinate(member: string): Coordinate | undefined {
    return member === this.#options.config.name ? this.#coordinates.own : this.#coordinates.of(member);
  }

  /** Our half of a push/pull. */
  state(): SerfState {
    return {
      lTime: this.#clock.time,
      statusLTimes: this.#intents.lTimes(),
      left: this.#intents.left(),
      eventLTime: this.#eventClock.time,
      events: this.#recentEvents.slots().map(({ lTime, items }) => ({ lTime, events: items })),
      queryLTime: this.#queryClock.time,
    };
  }

  handle(input: SerfInput | TimerInput, nowMs: number, out: Out): void {
    switch (input.type) {
      case 'TIMER':
        if (input.timer === leaveTimer) return out.emit({ type: 'leaveAnnounced' });
        return void this.#queries.fire(input.timer, nowMs, out);
      case 'START':
        this.#address = input.address;
        out.emit({ type: 'coordinateMoved', coordinate: this.#coordinates.own });
        return this.#intents.noticed('Joined', this.#options.config.name, input.address, nowMs, out);
      case 'MEMBER':
        if (input.name === this.#options.config.name) return;
        if (input.notice === 'Reaped') this.#coordinates.forget(input.name);
        return this.#intents.noticed(input.notice, input.name, input.address, nowMs, out);
      case 'HEARD':
        return this.#hear(input.message, input.bytes, nowMs, out);
      case 'STATE_HEARD':
        return this.#merge(input.state, input.isJoin, nowMs, out);
      case 'MEASURED':
        return this.#measured(input, out);
      case 'JOINED':
        return this.#announce('join', nowMs, out);
      case 'RIVAL_ANSWERED': {
        const resolve = this.#options.config.nameConflict === 'resolve';
        return this.#conflict.send({ type: 'RIVAL_ANSWERED', resolve }, nowMs, out);
      }
      case 'VOTE_COUNTED':
        return this.#conflict.send(input, nowMs, out);
      case 'TAGS_SET':
        this.#tags = input.tags;
        return;
      case 'SEND_EVENT':
        return this.#sendEvent(input, out);
      case 'ASK':
        return this.#ask(input, nowMs, out);
      case 'CANCEL_QUERY':
        return this.#queries.cancel(input.query, nowMs, out);
      case 'ANSWER':
        return this.#answer(input.to, false, input.payload, nowMs, out);
      case 'LEAVE':
        return this.#leave(nowMs, out);
    }
  }

  checkpoint(): Uint8Array {
    const checkpoint: Checkpoint = {
      address: this.#address,
      tags: this.#tags,
      times: [this.#clock.time, this.#eventClock.time, this.#queryClock.time],
      eventsFrom: this.#eventsFrom,
      broadcasts: this.#broadcasts,
      isLeaving: this.#isLeaving,
      prng: this.#prng.state,
      intents: this.#intents.checkpoint(),
      conflict: this.#conflict.checkpoint(),
      queries: this.#queries.checkpoint(),
      coordinates: this.#coordinates.checkpoint(),
      recentEvents: { slots: this.#recentEvents.slots() },
      recentQueries: { slots: this.#recentQueries.slots() },
    };
    return packPlain(checkpoint);
  }

  restore(bytes: Uint8Array): void {
    const checkpoint = unpackPlain(bytes) as Checkpoint;
    const [time, eventTime, queryTime] = checkpoint.times;
    this.#clock.restore(time);
    this.#eventClock.restore(eventTime);
    this.#queryClock.restore(queryTime);
    this.#address = checkpoint.address;
    this.#tags = checkpoint.tags;
    this.#eventsFrom = checkpoint.eventsFrom;
    this.#broadcasts = checkpoint.broadcasts;
    this.#isLeaving = checkpoint.isLeaving;
    this.#prng.restore(checkpoint.prng);
    this.#intents.restore(checkpoint.intents);
    this.#conflict.restore(checkpoint.conflict);
    this.#queries.restore(checkpoint.queries);
    this.#coordinates.restore(checkpoint.coordinates);
    this.#recentEvents.restore(checkpoint.recentEvents);
    this.#recentQueries.restore(checkpoint.recentQueries);
  }

  #hear(message: SerfMessage, bytes: Uint8Array, nowMs: number, out: Out): void {
    switch (message.type) {
      case 'join':
      case 'leave':
        if (this.#hearIntent(message, nowMs, out)) this.#broadcast('intent', message.node, bytes, out);
        return;
      case 'event':
        if (this.#hearEvent(message, out)) this.#broadcast('event', null, bytes, out);
        return;
      case 'query':
        if (this.#hearQuery(message, nowMs, out) && !message.noBroadcast)
          this.#broadcast('query', null, bytes, out);
        return;
      case 'response':
        return this.#hearAnswer(message, nowMs, out);
      case 'relay':
        return out.emit({ type: 'sendTo', to: message.to, payload: message.payload });
    }
  }

  /** @returns whether it is news, to be passed on. */
  #hearIntent(intent: Intent, nowMs: number, out: Out): boolean {
    if (this.#clock.isAbsurd(intent.lTime)) {
      out.emit({ type: 'countRefused', reason: 'lamport' });
      return false;
    }
    this.#clock.witness(intent.lTime);
    const isOurs = intent.node === this.#options.config.name;
    if (isOurs && intent.type === 'leave' && !this.#isLeaving) {
      // Of a former life, or an operator's mistake: we are here, and say so with a later time.
      if (intent.lTime > this.#intents.lTimeOf(intent.node)) this.#announce('join', nowMs, out);
      return false;
    }
    return this.#intents.hear(intent, nowMs, out);
  }

  #hearEvent({ lTime, name, payload, coalesce }: EventMessage, out: Out): boolean {
    if (this.#eventClock.isAbsurd(lTime)) {
      out.emit({ type: 'countRefused', reason: 'lamport' });
      return false;
    }
    if (name.length + payload.length > eventBytesMax) {
      out.emit({ type: 'countRefused', reason: 'too_large' });
      return false;
    }
    this.#eventClock.witness(lTime);
    if (lTime < this.#eventsFrom || this.#recentEvents.isOld(lTime, this.#eventClock.time)) return false;
    const isSame = (other: Said): boolean => other.name === name && bytesEqual(other.payload, payload);
    if (!this.#recentEvents.add(lTime, { name, payload }, isSame)) return false;
    out.emit({ type: 'deliverEvent', name, payload, lTime, coalesce });
    return true;
  }

  #hearQuery(message: QueryMessage, nowMs: number, out: Out): boolean {
    const { lTime, id } = message;
    if (this.#queryClock.isAbsurd(lTime)) {
      out.emit({ type: 'countRefused', reason: 'lamport' });
      return false;
    }
    this.#queryClock.witness(lTime);
    if (this.#recentQueries.isOld(lTime, this.#queryClock.time)) return false;
    if (!this.#recentQueries.add(lTime, id, (other) => other === id)) return false;
    if (!isForUs(message.filters, { name: this.#options.config.name, tags: this.#tags })) return true;
    if (message.acks) this.#answer(message, true, noBytes, nowMs, out);
    const deadlineMs = nowMs + Math.min(message.timeoutMs, this.#options.config.serf.queryTimeoutMaxMs);
    out.emit({ type: 'deliverQuery', message, deadlineMs });
    return true;
  }

  #hearAnswer(answer: ResponseMessage, nowMs: number, out: Out): void {
    if (!this.#queries.hear(answer, nowMs, out)) out.emit({ type: 'countRefused', reason: 'late' });
  }

  #merge(state: SerfState, isJoin: boolean, nowMs: number, out: Out): void {
    const { lTime, eventLTime, queryLTime } = state;
    const isAbsurd =
      this.#clock.isAbsurd(lTime) ||
      this.#eventClock.isAbsurd(eventLTime) ||
      this.#queryClock.isAbsurd(queryLTime);
    if (isAbsurd) return out.emit({ type: 'countRefused', reason: 'lamport' });
    // A clock stands one ahead of what it has witnessed.
    this.#clock.witness(lTime - 1);
    this.#eventClock.witness(eventLTime - 1);
    this.#queryClock.witness(queryLTime - 1);
    const left = new Set(state.left);
    for (const [node, nodeTime] of state.statusLTimes)
      this.#hearIntent({ type: left.has(node) ? 'leave' : 'join', lTime: nodeTime, node }, nowMs, out);
    if (isJoin) this.#eventsFrom = Math.max(this.#eventsFrom, eventLTime);
    for (const { lTime: eventTime, events } of state.events)
      for (const event of events)
        this.#hearEvent({ type: 'event', lTime: eventTime, coalesce: false, ...event }, out);
  }

  #measured(input: Extract<SerfInput, { type: 'MEASURED' }>, out: Out): void {
    const { name, coordinate, roundTripMs } = input;
    // Reaped while it was answering: nobody would forget it again.
    if (this.#intents.stateOf(name) === undefined) return;
    if (!this.#coordinates.measured(name, coordinate, roundTripMs / 1000))
      return out.emit({ type: 'countRefused', reason: 'coordinate' });
    out.emit({ type: 'coordinateMoved', coordinate: this.#coordinates.own });
  }

  #announce(type: 'join' | 'leave', nowMs: number, out: Out): void {
    const { name: node } = this.#options.config;
    const intent: Intent = { type, lTime: this.#clock.time, node };
    this.#clock.increment();
    this.#intents.hear(intent, nowMs, out);
    this.#broadcast('intent', node, this.#options.encode(intent), out);
  }

  #leave(nowMs: number, out: Out): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    const others = this.#intents.alive().length - 1;
    if (others <= 0) return out.emit({ type: 'leaveAnnounced' });
    this.#announce('leave', nowMs, out);
    const { retransmitMult, gossipFanout, gossipPeriodMs } = this.#options.config;
    const rounds = Math.ceil(retransmitLimit(retransmitMult, others + 1) / Math.min(gossipFanout, others));
    out.emit({ type: 'setTimer', timer: leaveTimer, delayMs: (rounds + 1) * gossipPeriodMs });
  }

  #sendEvent(input: Extract<SerfInput, { type: 'SEND_EVENT' }>, out: Out): void {
    const { name, payload, coalesce } = input;
    const message: EventMessage = { type: 'event', lTime: this.#eventClock.time, name, payload, coalesce };
    if (this.#hearEvent(message, out)) this.#broadcast('event', null, this.#options.encode(message), out);
  }

  #ask(input: Extract<SerfInput, { type: 'ASK' }>, nowMs: number, out: Out): void {
    const { query, name, payload, filters, acks, relayFactor } = input;
    const timeoutMs = input.timeoutMs ?? this.#queryTimeoutMs;
    const message: QueryMessage = {
      type: 'query',
      lTime: this.#queryClock.time,
      id: this.#prng.u32(),
      address: this.#address,
      sourceNode: this.#options.config.name,
      filters,
      acks,
      noBroadcast: false,
      relayFactor,
      timeoutMs,
      name,
      payload,
    };
    this.#queries.ask(query, message.lTime, message.id, timeoutMs, nowMs, out);
    this.#broadcast('query', null, this.#options.encode(message), out);
    this.#hearQuery(message, nowMs, out);
  }

  get #queryTimeoutMs(): number {
    const { gossipPeriodMs } = this.#options.config;
    return gossipPeriodMs * queryTimeoutMult * Math.ceil(Math.log10(this.#intents.alive().length + 1));
  }

  /** To whoever asked, and through a few others should the direct way be blocked. */
  #answer(query: QueryMessage, ack: boolean, payload: Uint8Array, nowMs: number, out: Out): void {
    const { name: from } = this.#options.config;
    const { lTime, id, address, sourceNode, relayFactor } = query;
    const answer: ResponseMessage = { type: 'response', lTime, id, from, ack, payload };
    // Our own question: no packet needed.
    if (sourceNode === from) return this.#hearAnswer(answer, nowMs, out);
    const bytes = this.#options.encode(answer);
    out.emit({ type: 'sendTo', to: address, payload: bytes });
    if (relayFactor === 0) return;
    const relay = this.#options.encode({ type: 'relay', to: address, node: sourceNode, payload: bytes });
    const others = this.#intents.alive().filter(({ name }) => name !== from && name !== sourceNode);
    for (const { address: to } of this.#prng.shuffle(others).slice(0, relayFactor))
      out.emit({ type: 'sendTo', to, payload: relay });
  }

  #broadcast(rank: 'intent' | 'query' | 'event', about: string | null, payload: Uint8Array, out: Out): void {
    const name = about ?? `${rank}/${this.#broadcasts++}`;
    out.emit({ type: 'broadcast', rank, name, payload });
  }
}
