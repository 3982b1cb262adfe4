/** Membership as people use it: promises and an asynchronous stream of events over the engine. */
import { type Address, type Done, EventHub, fromBase64 } from '@cluster/core';
import { parseSwimConfig, type SwimConfigInput } from './config.ts';
import { SwimEngine } from './engine.ts';
import type { KeyChange } from './engine/gossip-keys.ts';
import type { Query, QueryAnswer } from './engine/serf-layer.ts';
import { Metadata } from './metadata.ts';
import { coalescing, type Member, type MembershipEvent } from './member.ts';
import type { SwimPorts } from './ports.ts';
import { parseQuorumConfig, type QuorumConfigInput } from './quorum/config.ts';
import { QuorumEngine } from './quorum/quorum-engine.ts';
import type { QuorumPorts } from './quorum/quorum-ports.ts';
import type { Coordinate } from './serf/vivaldi.ts';
import type { QueryFilter } from './serf/messages.ts';
import { decodeKeyAnswer, encodeKeyRequest, parseAddress, type Tags } from './wire.ts';

export interface Cancellable {
  readonly signal?: AbortSignal | undefined;
}

export interface QueryOptions extends Cancellable {
  /** Only these members. Default: all. */
  readonly nodes?: readonly string[] | undefined;
  /** Only members whose tags match these regular expressions. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** Also yield an `ack` from every member that has the question. */
  readonly acks?: boolean | undefined;
  /** Answers are also sent through so many other members. Default 0. */
  readonly relayFactor?: number | undefined;
  /** Default: 16 gossip rounds, times log10 of the pool size. */
  readonly timeoutMs?: number | undefined;
}

/** What has become of a change of keys in the whole pool. */
export interface PoolKeyChange {
  readonly changed: readonly string[];
  readonly refused: readonly { readonly member: string; readonly reason: string }[];
  /** Members alive of whom nothing was heard in time. */
  readonly silent: readonly string[];
}

export type QueryReply = Uint8Array | string | undefined;

const answersMax = 200_000;
const bytesOf = (payload: Uint8Array | string): Uint8Array =>
  typeof payload === 'string' ? new TextEncoder().encode(payload) : payload;

export class Swim {
  readonly #engine: SwimEngine;
  readonly #events: EventHub<MembershipEvent>;
  readonly #quorums: QuorumEngine[] = [];
  /** A key-value map of every member, each written by its owner and held by all. */
  readonly metadata: Metadata;
  #joining: Promise<unknown> = Promise.resolve();

  private constructor(engine: SwimEngine, eventsMax: number, nowMs: () => number) {
    this.#engine = engine;
    this.#events = new EventHub<MembershipEvent>({
      capacity: eventsMax,
      coalesce: coalescing,
      onOverflow: (dropped) => ({ type: 'Overflow', member: null, dropped, atMs: nowMs() }),
    });
    this.metadata = new Metadata(engine.metadata, engine.self().name);
    engine.onEvent((event) => {
      this.#events.publish(event);
      if (event.lost) this.#close();
    });
    engine.onUserEvent((event) => this.#events.publish(event));
  }

  /**
   * Binds and starts a member; it is alone until it joins.
   * @throws ClusterError `SWIM_CONFIG_INVALID`, `SWIM_PORT_IN_USE`, or what the disk or the network says.
   */
  static async start(config: SwimConfigInput, ports: SwimPorts): Promise<Swim> {
    const parsed = parseSwimConfig(config);
    const engine = new SwimEngine(parsed, ports);
    const swim = new Swim(engine, parsed.eventsMax, () => ports.clock.nowMs());
    await cancellable<Address>((done) => engine.start(done));
    return swim;
  }

  /**
   * Joins through members that are there already; joins of one member run one after another.
   * @param seeds `host:port`; names are resolved, and IPv6 is written `[::1]:7000`.
   * @returns how many seeds answered.
   * @throws ClusterError `SWIM_JOIN_FAILED`, `SWIM_KEY_MISMATCH` or `SWIM_LABEL_MISMATCH` when none did, naming each and why; `SWIM_SEED_INVALID`;
   *   `SWIM_LEFT` after `leave`.
   */
  async join(seeds: readonly string[], { signal }: Cancellable = {}): Promise<number> {
    signal?.throwIfAborted();
    const addresses = seeds.map(parseAddress);
    const before = this.#joining;
    const joined = before.then(() =>
      cancellable<number>((done) => this.#engine.join(addresses, done), signal),
    );
    this.#joining = joined.catch(() => undefined);
    return joined;
  }

  /** Everybody on record, this member first. */
  members(): readonly Member[] {
    return this.#engine.members();
  }

  /** Those believed alive, this member first; suspects are not among them. */
  alive(): readonly Member[] {
    return this.members().filter(({ state }) => state === 'Alive');
  }

  get self(): Member {
    return this.#engine.self();
  }

  /**
   * From now on, in order. What waits for a slow reader is coalesced (see {@link MembershipEvent}); one that is more than
   * `eventsMax` behind all the same loses the oldest and is told so by one `Overflow`.
   */
  events(options: Cancellable = {}): AsyncIterableIterator<MembershipEvent> {
    return this.#events.subscribe(options);
  }

  /** Replaces the tags and spreads them. @throws ClusterError `SWIM_TAGS_TOO_LARGE`. */
  setTags(tags: Tags): void {
    this.#engine.setTags(tags);
  }

  /**
   * Tells every member once, ourselves included: it comes as `UserEvent` among the events.
   * @param payload text is sent as UTF-8.
   * @throws ClusterError `SWIM_EVENT_TOO_LARGE` above `serf.eventBytesMax`.
   */
  sendEvent(name: string, payload: Uint8Array | string = '', options: { coalesce?: boolean } = {}): void {
    this.#engine.sendEvent(name, bytesOf(payload), options);
  }

  /**
   * Asks the pool; yields each member's answer (and `ack`, where asked for) until the time is over or `signal` aborts.
   * @throws ClusterError `SWIM_QUERY_TOO_LARGE` or `SWIM_QUERIES_BUSY`.
   */
  query(
    name: string,
    payload: Uint8Array | string = '',
    options: QueryOptions = {},
  ): AsyncIterableIterator<QueryAnswer> {
    const { nodes, tags = {}, acks = false, relayFactor = 0, timeoutMs = null, signal } = options;
    signal?.throwIfAborted();
    const filters: QueryFilter[] = Object.entries(tags).map(([tag, pattern]) => ({
      kind: 'tag',
      tag,
      pattern,
    }));
    if (nodes !== undefined) filters.push({ kind: 'nodes', nodes });
    // Never more than two a member: nothing is dropped before the member table is full.
    const answers = new EventHub<QueryAnswer>({
      capacity: answersMax,
      onOverflow: () => ({ type: 'ack', from: '', payload: new Uint8Array(0) }),
    });
    const reading = answers.subscribe();
    let cancel: (() => void) | null = null;
    const abort = (): void => cancel?.();
    const finished = (): void => {
      signal?.removeEventListener('abort', abort);
      answers.close();
    };
    signal?.addEventListener('abort', abort, { once: true });
    const request = { name, payload: bytesOf(payload), filters, acks, relayFactor, timeoutMs };
    cancel = this.#engine.query(request, { answer: (answer) => answers.publish(answer), finished });
    return reading;
  }

  /**
   * Answers questions of this name; what the handler gives is sent, `undefined` is no answer.
   * @returns takes the handler away.
   */
  onQuery(name: string, handler: (query: Query) => QueryReply | Promise<QueryReply>): () => void {
    return this.#engine.onQuery(name, (query, respond) => {
      const answer = async (): Promise<void> => {
        const reply = await handler(query);
        if (reply !== undefined) respond(bytesOf(reply));
      };
      // A handler that fails has no answer; the asker's time runs out.
      answer().catch(() => undefined);
    });
  }

  /**
   * For a `SwimDelegate`, which hears it as `onUserMessage`: gossips to the other members, as often as news of a member is. A newer
   * broadcast of the same name takes the place of one that still waits. A member may get it more than once, and whoever is to reach
   * all of a large pool broadcasts what it has received.
   * @throws ClusterError `SWIM_MESSAGE_TOO_LARGE` when no packet can hold it, `SWIM_DELEGATE_MISSING`.
   */
  broadcast(name: string, payload: Uint8Array | string): void {
    this.#engine.messages.broadcast(name, bytesOf(payload));
  }

  /**
   * For a `SwimDelegate`: to one member, in a packet where it fits, which may be lost, else over TCP.
   * @throws ClusterError `SWIM_MESSAGE_TOO_LARGE` above `userMessageBytesMax`, `SWIM_DELEGATE_MISSING`.
   */
  sendTo(to: Address, payload: Uint8Array | string): void {
    this.#engine.messages.sendTo(to, bytesOf(payload));
  }

  /** Where a member (default: this one) is in the network; of others once they have answered a probe of ours. */
  coordinate(member?: string): Coordinate | undefined {
    return this.#engine.coordinate(member);
  }

  /** Estimated round trip between two members (default: to this one), also where nobody has measured it. */
  estimateRttMs(a: string, b?: string): number | undefined {
    return this.#engine.estimateRttMs(a, b);
  }

  /**
   * Quorum over a roster. What it reports comes in this member's stream of events, in order; it ends with the member.
   * @throws ClusterError `SWIM_QUORUM_CONFIG_INVALID`, `SWIM_QUORUM_PORT_MISSING`.
   */
  quorum(config: Omit<QuorumConfigInput, 'name'>, ports: Omit<QuorumPorts, 'membership'>): QuorumEngine {
    const parsed = parseQuorumConfig({ ...config, name: this.self.name });
    const engine = new QuorumEngine(parsed, { ...ports, membership: this.#engine });
    engine.onEvent((event) => this.#events.publish(event));
    this.#quorums.push(engine);
    engine.start();
    return engine;
  }

  /** Gossip keys in force here, in base64, the one that seals first; none in a plain pool. */
  gossipKeys(): readonly string[] {
    return this.#engine.keys.list() ?? [];
  }

  /**
   * Changes the keys of this member while it runs. To rotate a pool: `install` the new key everywhere, then `use` it everywhere,
   * then `remove` the old one. With a `dataDir` (or a `KeyStore`) the change outlives a restart, unless other `gossipKeys` are
   * configured by then; without, give `gossipKeys` the same for the next start.
   * @throws ClusterError `SWIM_KEY_REFUSED` with the reason, nothing changed; `SWIM_KEYS_NOT_STORED`.
   */
  async changeKey(change: KeyChange, key: string): Promise<void> {
    await cancellable<void>((done) => this.#engine.keys.change(change, fromBase64(key), done));
  }

  /**
   * Changes the keys here, and asks every other member to do the same, as `serf keys` does; those of ours obey with
   * `keyring.acceptRemote`. Done when all have answered, or the query's time is over: go to the next step of a rotation (`install`,
   * `use`, `remove`) only when nobody has refused and nobody was silent.
   * @throws ClusterError `SWIM_KEY_REFUSED`, nothing changed anywhere; `SWIM_KEYS_NOT_STORED`; what `query` throws.
   */
  async changePoolKey(change: KeyChange, key: string, { signal }: Cancellable = {}): Promise<PoolKeyChange> {
    signal?.throwIfAborted();
    await this.changeKey(change, key);
    const own = this.self.name;
    const silent = new Set(this.members().flatMap(({ name, state }) => (state === 'Alive' ? [name] : [])));
    silent.delete(own);
    const changed = [own];
    const refused: { member: string; reason: string }[] = [];
    if (silent.size === 0) return { changed, refused, silent: [] };
    const answers = this.query(`_serf_${change}-key`, encodeKeyRequest(fromBase64(key)), { signal });
    for await (const { from: member, payload } of answers) {
      const answer = member === own ? null : decodeKeyAnswer(payload);
      if (answer === null) continue;
      silent.delete(member);
      if (answer.ok) changed.push(member);
      else refused.push({ member, reason: answer.message });
      if (silent.size === 0) break;
    }
    return { changed, refused, silent: [...silent] };
  }

  /** Says goodbye and waits until the others have been told; the member then only waits to be stopped. */
  async leave({ signal }: Cancellable = {}): Promise<void> {
    signal?.throwIfAborted();
    await cancellable<void>((done) => this.#engine.leave(done), signal);
  }

  /** Closes everything without a goodbye; idempotent. */
  stop(): Promise<void> {
    return new Promise((resolve) => this.#close(resolve));
  }

  #close(done: () => void = () => undefined): void {
    for (const quorum of this.#quorums) quorum.stop();
    this.#engine.stop(done);
    this.#events.close();
    this.metadata.close();
  }

  /** Stops; to go in good order, `leave` first. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** The promise of a callback call whose returned function gives it up. */
function cancellable<T>(start: (done: Done<T>) => (() => void) | void, signal?: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    signal?.throwIfAborted();
    let cancel: (() => void) | void;
    const abort = (): void => cancel?.();
    cancel = start((outcome) => {
      signal?.removeEventListener('abort', abort);
      if (outcome.ok) resolve(outcome.value);
      else reject(outcome.error);
    });
    signal?.addEventListener('abort', abort, { once: true });
  });
}
