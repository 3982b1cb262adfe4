/** Serf's core on its driver, between membership and the people who send events and ask queries. */
import { type Address, type Clock, Driver, type Tracer } from '@cluster/core';
import type { SwimConfig } from '../config.ts';
import type { SwimInput } from '../core/effects.ts';
import { type RejectReason, sameAddress } from '../core/messages.ts';
import { queriesBusy, tooLargeToSpread } from '../errors.ts';
import type { MemberHappening, UserEvent } from '../member.ts';
import type { SerfEffect, SerfInput } from '../serf/effects.ts';
import type { QueryFilter, QueryMessage } from '../serf/messages.ts';
import { SerfCore } from '../serf/serf-core.ts';
import { type Coordinate, distance } from '../serf/vivaldi.ts';
import {
  decodeCoordinate,
  decodeNameAnswer,
  decodeSerf,
  decodeSerfState,
  dialable,
  encodeCoordinate,
  encodeSerf,
  encodeSerfState,
  type Tags,
} from '../wire.ts';
import type { InternalQueries } from './internal-queries.ts';

/** Somebody's question. */
export interface Query {
  readonly name: string;
  readonly payload: Uint8Array;
  /** Who asks. */
  readonly from: string;
  readonly deadlineMs: number;
}

export interface QueryAnswer {
  /** `ack` says only that the member has the question. */
  readonly type: 'ack' | 'response';
  readonly from: string;
  readonly payload: Uint8Array;
}

export interface QueryRequest {
  readonly name: string;
  readonly payload: Uint8Array;
  readonly filters: readonly QueryFilter[];
  readonly acks: boolean;
  readonly relayFactor: number;
  readonly timeoutMs: number | null;
}

export interface QuerySink {
  answer(answer: QueryAnswer): void;
  finished(): void;
}

/** @param respond at most once; late or repeated answers are dropped. */
export type QueryHandler = (query: Query, respond: (payload: Uint8Array) => void) => void;

export interface SerfLayerOptions {
  readonly config: SwimConfig;
  readonly seed: number;
  readonly clock: Clock;
  readonly tracer: Tracer | undefined;
  readonly internal: InternalQueries;
  /** Whether we may send there. */
  readonly allows: (address: Address) => boolean;
  readonly dispatchSwim: (input: SwimInput) => void;
  readonly onUserEvent: (event: UserEvent) => void;
  readonly onLeaveAnnounced: () => void;
  readonly onNameLost: () => void;
  readonly countRejected: (reason: RejectReason) => void;
  readonly onBug: (error: unknown) => void;
}

export class SerfLayer {
  readonly #options: SerfLayerOptions;
  readonly #core: SerfCore;
  readonly #driver: Driver<SerfInput, SerfEffect>;
  readonly #handlers = new Map<string, QueryHandler>();
  readonly #open = new Map<string, QuerySink>();
  #nextQuery = 1;
  #address: Address | null = null;

  constructor(options: SerfLayerOptions) {
    const { config, seed, clock, tracer, onBug } = options;
    this.#options = options;
    this.#core = new SerfCore({ config, seed, encode: encodeSerf });
    this.#driver = new Driver({
      node: config.name,
      name: 'serf',
      core: this.#core,
      clock,
      execute: (effect) => this.#execute(effect),
      onBug,
      tracer,
    });
  }

  start(address: Address): void {
    this.#address = address;
    this.#driver.dispatch({ type: 'START', address });
  }

  noticed({ type: notice, member: { name, address } }: MemberHappening): void {
    this.#driver.dispatch({ type: 'MEMBER', notice, name, address });
  }

  joined(): void {
    this.#driver.dispatch({ type: 'JOINED' });
  }

  /** Somebody answers to our name at another address. */
  rivalAnswered(): void {
    this.#driver.dispatch({ type: 'RIVAL_ANSWERED' });
  }

  tagsSet(tags: Tags): void {
    this.#driver.dispatch({ type: 'TAGS_SET', tags });
  }

  leave(): void {
    this.#driver.dispatch({ type: 'LEAVE' });
  }

  /** A ping was answered; what came with it may be a coordinate. */
  measured(name: string, roundTripMs: number, payload: Uint8Array): void {
    const coordinate = decodeCoordinate(payload);
    if (coordinate !== null) this.#driver.dispatch({ type: 'MEASURED', name, coordinate, roundTripMs });
  }

  coordinate(member: string): Coordinate | undefined {
    return this.#core.coordinate(member);
  }

  estimateRttMs(a: string, b: string): number | undefined {
    const [from, to] = [this.coordinate(a), this.coordinate(b)];
    return from && to ? distance(from, to) * 1000 : undefined;
  }

  localState(): Uint8Array {
    return encodeSerfState(this.#core.state());
  }

  mergeState(bytes: Uint8Array, isJoin: boolean): void {
    const state = decodeSerfState(bytes);
    if (typeof state === 'string') return this.#options.countRejected(state);
    this.#driver.dispatch({ type: 'STATE_HEARD', state, isJoin });
  }

  hear(bytes: Uint8Array): void {
    const message = decodeSerf(bytes);
    if (typeof message === 'string') return this.#options.countRejected(message);
    // Said over and over by everybody: the core is not even asked to handle it.
    if (this.#core.isOldNews(message)) return;
    const answersTo =
      message.type === 'query' ? message.address : message.type === 'relay' ? message.to : null;
    if (answersTo !== null && !this.#options.allows(answersTo)) return this.#options.countRejected('network');
    this.#driver.dispatch({ type: 'HEARD', message, bytes });
  }

  /** @throws ClusterError `SWIM_EVENT_TOO_LARGE` */
  sendEvent(name: string, payload: Uint8Array, coalesce: boolean): void {
    const bytes = new TextEncoder().encode(name).length + payload.length;
    const { eventBytesMax } = this.#options.config.serf;
    if (bytes > eventBytesMax) throw tooLargeToSpread('SWIM_EVENT_TOO_LARGE', bytes, eventBytesMax);
    this.#driver.dispatch({ type: 'SEND_EVENT', name, payload, coalesce });
  }

  /** @returns gives the query up. @throws ClusterError `SWIM_QUERY_TOO_LARGE` or `SWIM_QUERIES_BUSY` */
  ask(request: QueryRequest, sink: QuerySink): () => void {
    const { queryBytesMax, queriesMax } = this.#options.config.serf;
    const bytes = queryBytes(request);
    if (bytes > queryBytesMax) throw tooLargeToSpread('SWIM_QUERY_TOO_LARGE', bytes, queryBytesMax);
    if (this.#open.size >= queriesMax) throw queriesBusy(queriesMax);
    const query = String(this.#nextQuery++);
    this.#open.set(query, sink);
    this.#driver.dispatch({ type: 'ASK', query, ...request });
    return () => this.#driver.dispatch({ type: 'CANCEL_QUERY', query });
  }

  /** @returns takes the handler away. */
  onQuery(name: string, handler: QueryHandler): () => void {
    this.#handlers.set(name, handler);
    return () => {
      if (this.#handlers.get(name) === handler) this.#handlers.delete(name);
    };
  }

  stop(): void {
    this.#driver.stop();
    for (const sink of this.#open.values()) sink.finished();
    this.#open.clear();
  }

  #execute(effect: SerfEffect): void {
    const { dispatchSwim } = this.#options;
    switch (effect.type) {
      case 'broadcast':
        return dispatchSwim({ ...effect, type: 'USER_BROADCAST' });
      case 'sendTo':
        return dispatchSwim({ ...effect, type: 'USER_SEND' });
      case 'coordinateMoved':
        return dispatchSwim({ type: 'ACK_PAYLOAD_SET', payload: encodeCoordinate(effect.coordinate) });
      case 'declareLeft':
        return dispatchSwim({ type: 'DECLARED_LEFT', name: effect.member });
      case 'askForVotes':
        return this.#askForVotes();
      case 'nameLost':
        return this.#options.onNameLost();
      case 'leaveAnnounced':
        return this.#options.onLeaveAnnounced();
      case 'deliverEvent': {
        const { name, payload, lTime, coalesce } = effect;
        const atMs = this.#options.clock.nowMs();
        return this.#options.onUserEvent({
          type: 'UserEvent',
          member: null,
          name,
          payload,
          lTime,
          coalesce,
          atMs,
        });
      }
      case 'deliverQuery':
        return this.#deliver(effect.message, effect.deadlineMs);
      case 'deliverAnswer': {
        const { query, from, ack, payload } = effect;
        return this.#open.get(query)?.answer({ type: ack ? 'ack' : 'response', from, payload });
      }
      case 'queryFinished': {
        const sink = this.#open.get(effect.query);
        this.#open.delete(effect.query);
        return sink?.finished();
      }
      case 'countRefused':
        return this.#options.countRejected(effect.reason);
    }
  }

  /** Only members that we know to be alive have a vote; the rival, who bears our name, has none. */
  #askForVotes(): void {
    const { name } = this.#options.config;
    const voters = new Set(this.#core.alive());
    let [votes, ours] = [0, 0];
    this.#open.set(conflictQuery, {
      answer: ({ type, from, payload }) => {
        const address = type === 'response' && voters.has(from) ? decodeNameAnswer(payload) : null;
        if (address === null) return;
        votes++;
        if (this.#address !== null && sameAddress(dialable(address), dialable(this.#address))) ours++;
      },
      finished: () => this.#driver.dispatch({ type: 'VOTE_COUNTED', voters: voters.size, votes, ours }),
    });
    const payload = new TextEncoder().encode(name);
    const request = {
      name: `${internalPrefix}conflict`,
      payload,
      acks: false,
      relayFactor: 0,
      timeoutMs: null,
    };
    this.#driver.dispatch({ type: 'ASK', query: conflictQuery, ...request, filters: [] });
  }

  #deliver(message: QueryMessage, deadlineMs: number): void {
    const { clock, config, internal, countRejected } = this.#options;
    let answered = false;
    const respond = (payload: Uint8Array): void => {
      if (answered || clock.nowMs() > deadlineMs) return;
      answered = true;
      if (payload.length + responseOverheadBytes + config.name.length > config.serf.responseBytesMax)
        return countRejected('too_large');
      this.#driver.dispatch({ type: 'ANSWER', to: message, payload });
    };
    if (message.name.startsWith(internalPrefix)) {
      return internal.answer(message.name.slice(internalPrefix.length), message.payload, respond);
    }
    const { name, payload, sourceNode: from } = message;
    this.#handlers.get(name)?.({ name, payload, from, deadlineMs }, respond);
  }
}

const internalPrefix = '_serf_';
const conflictQuery = 'conflict';
// Of an encoded answer, beside the sender's name and the payload.
const responseOverheadBytes = 64;

// Of an encoded query, beside what the asker chooses.
const queryOverheadBytes = 160;

function queryBytes({ name, payload, filters }: QueryRequest): number {
  const encoder = new TextEncoder();
  const texts = filters.flatMap((filter) =>
    filter.kind === 'nodes' ? filter.nodes : [filter.tag, filter.pattern],
  );
  const inFilters = texts.reduce((sum, text) => sum + encoder.encode(text).length + 8, 0);
  return queryOverheadBytes + encoder.encode(name).length + payload.length + inFilters;
}
