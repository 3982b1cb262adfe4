/**
 * A member with its sockets, in callbacks: the core, the driver, and the ports. It runs in the simulator as it does in production.
 */
import {
  type Address,
  type ClusterError,
  describeError,
  type Done,
  Driver,
  type Logger,
  runTask,
  silentLogger,
  type Task,
} from '@cluster/core';
import { advertised, type SwimConfig } from './config.ts';
import type { SwimEffect, SwimInput } from './core/effects.ts';
import { type PeerRecord, type PeerState, sameAddress } from './core/messages.ts';
import { SwimCore } from './core/swim-core.ts';
import { bindBoth, type Bound } from './engine/bind.ts';
import { Executor } from './engine/executor.ts';
import { Gate } from './engine/gate.ts';
import { GossipKeys } from './engine/gossip-keys.ts';
import { Listeners } from './engine/listeners.ts';
import { OpenCalls } from './engine/open-calls.ts';
import { makeLayers } from './engine/layers.ts';
import type { MetadataLayer } from './engine/metadata-layer.ts';
import { ownMeta } from './engine/own-meta.ts';
import { Packets, wireOptions } from './engine/packets.ts';
import { Kept } from './engine/kept.ts';
import { resolveSeeds } from './engine/seeds.ts';
import { Streams } from './engine/streams.ts';
import type { QueryHandler, QueryRequest, QuerySink, SerfLayer } from './engine/serf-layer.ts';
import type { UserMessages } from './engine/user-messages.ts';
import { MemberViews } from './engine/views.ts';
import { joinAborted, nameLost, leaveAborted, notRunning, serfOff, stopped, tooManySeeds } from './errors.ts';
import type { Member, MemberHappening, UserEvent } from './member.ts';
import { SwimMetrics } from './metrics.ts';
import type { SwimPorts } from './ports.ts';
import type { Coordinate } from './serf/vivaldi.ts';
import { envelopeBytes, type StreamOptions, type Tags } from './wire.ts';

export class SwimEngine {
  readonly #config: SwimConfig;
  readonly #ports: SwimPorts;
  readonly #logger: Logger;
  readonly #metrics: SwimMetrics;
  readonly #wire: StreamOptions;
  readonly #core: SwimCore;
  readonly #driver: Driver<SwimInput, SwimEffect>;
  readonly #streams: Streams;
  readonly #executor: Executor;
  /** Off where another delegate takes its place. */
  readonly #serf: SerfLayer | null;
  /** The maps of all members; null where it is off, or another delegate takes the place of both. */
  readonly metadata: MetadataLayer | null;
  /** What a delegate has to say. */
  readonly messages: UserMessages;
  readonly #listeners = new Listeners<MemberHappening>();
  readonly #userListeners = new Listeners<UserEvent>();
  readonly #calls = new OpenCalls();
  readonly #packets: Packets;
  readonly #views = new MemberViews();
  readonly #gate: Gate;
  readonly keys: GossipKeys;
  readonly #kept: Kept;
  #phase: 'new' | 'starting' | 'running' | 'stopped' = 'new';
  #bound: Bound | null = null;
  #self: Address;

  /** @throws ClusterError `SWIM_CIPHER_MISSING` when there are gossip keys but nothing to use them. */
  constructor(config: SwimConfig, ports: SwimPorts) {
    this.#wire = wireOptions(config, ports.cipher);
    this.#config = config;
    this.#ports = ports;
    this.#self = advertised(config, config.bind);
    this.#logger = ports.logger ?? silentLogger;
    this.#metrics = new SwimMetrics(ports.metrics);
    this.#gate = new Gate(config, ports.admission, this.#logger);
    this.keys = new GossipKeys(config.gossipKeys, ports.cipher?.keys, ports.keys);
    this.#packets = new Packets(this.#wire, this.#metrics, this.#gate);
    this.#core = new SwimCore({
      config,
      seed: ports.seed,
      meta: ownMeta(config, config.tags),
      bytesOf: (message) => this.#packets.bytesOf(message),
      envelopeBytes: envelopeBytes(this.#wire),
      checksums: !ports.cipher,
    });
    this.#driver = new Driver({
      node: config.name,
      name: 'swim',
      core: this.#core,
      clock: ports.clock,
      execute: (effect) => this.#executor.execute(effect),
      onBug: (error) => this.#broke(error),
      tracer: ports.tracer,
    });
    const { serf, metadata, messages } = makeLayers({
      config,
      ports,
      wire: this.#wire,
      logger: this.#logger,
      metrics: this.#metrics,
      keys: this.keys,
      gate: this.#gate,
      members: () => this.members(),
      isRunning: () => this.#phase === 'running',
      dispatch: (input) => this.#dispatch(input),
      tell: (to, body) => this.#streams.tell(to, body),
      onUserEvent: (event) => this.#userListeners.tell(event),
      onNameLost: () => this.#loseName(),
      onBug: (error) => this.#broke(error),
    });
    this.#serf = serf;
    this.metadata = metadata;
    this.messages = messages;
    this.#streams = new Streams({
      config,
      wire: this.#wire,
      clock: ports.clock,
      port: ports.streams,
      delegate: serf === null ? ports.delegate : { localState: () => serf.localState() },
      gate: this.#gate,
      onHalf: (bytes) => this.#metrics.exchangeBytes.observe(bytes),
      dispatch: (input) => this.#dispatch(input),
    });
    this.#kept = new Kept({
      config,
      ports,
      logger: this.#logger,
      keys: this.keys,
      members: () => this.members(),
      missing: () => this.#core.missing,
    });
    this.#executor = new Executor({
      core: this.#core,
      ports,
      logger: this.#logger,
      metrics: this.#metrics,
      calls: this.#calls,
      packets: this.#packets,
      streams: this.#streams,
      serf,
      metadata,
      views: this.#views,
      dispatch: (input) => this.#dispatch(input),
      onEvent: (event) => this.#tell(event),
    });
  }

  /** Binds, and is a member of a pool of one. Gives the address that others dial. */
  start(done: Done<Address>): void {
    if (this.#phase !== 'new') return done({ ok: false, error: notRunning() });
    this.#phase = 'starting';
    runTask(this.#start(), done);
  }

  /**
   * Joins the pool of the seeds: gives the number of them that answered, at least one. Of a name all addresses are tried. A seed
   * that is this member itself is passed over; with no other, the answer is 0.
   * @returns gives up the join; what has been learned is kept.
   */
  join(seeds: readonly Address[], done: Done<number>): () => void {
    if (this.#phase !== 'running') {
      done({ ok: false, error: notRunning() });
      return () => undefined;
    }
    if (seeds.length === 0 || seeds.length > this.#config.seedsMax) {
      done({ ok: false, error: tooManySeeds(seeds.length, this.#config.seedsMax) });
      return () => undefined;
    }
    const join = this.#calls.openJoin(done);
    runTask(this.#join(join, seeds), (outcome) => {
      if (!outcome.ok) this.#calls.settleJoin(join, () => outcome);
    });
    return () => {
      this.#dispatch({ type: 'JOIN_ABORTED', join });
      // Still resolving names: the core has not heard of it yet.
      this.#calls.settleJoin(join, () => ({ ok: false, error: joinAborted() }));
    };
  }

  /** Tells the pool and waits until the news has been sent often enough, or `leaveTimeoutMs`. @returns stops waiting. */
  leave(done: Done<void>): () => void {
    if (this.#phase !== 'running') {
      done({ ok: false, error: notRunning() });
      return () => undefined;
    }
    if (this.#core.agentState === 'left') {
      done({ ok: true, value: undefined });
      return () => undefined;
    }
    this.#calls.openLeave(done);
    // Serf calls a leave that was not announced a failure, so the announcement goes first.
    if (this.#serf === null) this.#dispatch({ type: 'LEAVE' });
    else this.#serf.leave();
    return () => {
      if (this.#calls.forgetLeave(done)) done({ ok: false, error: leaveAborted() });
    };
  }

  /** Goes away without a word, as a crash would. Idempotent. @param done called when what it keeps for its next life is on disk. */
  stop(done: () => void = () => undefined): void {
    if (this.#phase !== 'stopped') {
      this.#calls.failAll(stopped());
      this.#dispatch({ type: 'STOP' });
      this.#close();
    }
    this.#kept.close(done);
  }

  /** @throws ClusterError `SWIM_TAGS_TOO_LARGE`, `SWIM_TAG_RESERVED` or `SWIM_NOT_RUNNING`, with nothing changed. */
  setTags(tags: Tags): void {
    if (this.#phase !== 'running') throw notRunning();
    this.#dispatch({ type: 'TAGS_SET', meta: ownMeta(this.#config, tags) });
    this.#serf?.tagsSet(tags);
  }

  /** Everybody on record, this member first. */
  members(): readonly Member[] {
    return this.#core.members(this.#ports.clock.nowMs()).map((record) => this.#views.of(record));
  }

  /** Everybody on record as a push/pull carries them, this member first: what {@link introduce} takes. */
  records(): readonly PeerRecord[] {
    return this.#core.records();
  }

  /**
   * Puts on record who of these is alive and not known here, and tells nobody: how a pool that was there before goes on as a whole. Who
   * is not there is found out by probing; of who was introduced to some only, the others hear by push/pull. What is refused is counted.
   * @throws ClusterError `SWIM_NOT_RUNNING`.
   */
  introduce(members: readonly PeerRecord[]): void {
    if (this.#phase !== 'running') throw notRunning();
    this.#dispatch({ type: 'INTRODUCED', members: members.filter(({ address }) => this.#isOther(address)) });
  }

  self(): Member {
    return this.#views.of(this.#core.self(this.#ports.clock.nowMs()));
  }

  /** `stopped`, `running.settled`, `running.joining`, `leaving` or `left`. */
  get agentState(): string {
    return this.#core.agentState;
  }

  /** How many others there are, by state: what a dashboard polls, without a list being made. */
  get counts(): Readonly<Record<PeerState, number>> {
    return this.#core.counts;
  }

  /** @returns ends the subscription. */
  onEvent(listener: (event: MemberHappening) => void): () => void {
    return this.#listeners.add(listener);
  }

  /**
   * Tells every member, ourselves included, once. Those that join later, or come back after a restart, do not hear of it.
   * @throws ClusterError `SWIM_EVENT_TOO_LARGE`, `SWIM_NOT_RUNNING` or `SWIM_SERF_OFF`.
   */
  sendEvent(name: string, payload: Uint8Array, { coalesce = false }: { coalesce?: boolean } = {}): void {
    this.#running().sendEvent(name, payload, coalesce);
  }

  /**
   * Asks every member, or those that pass the filters; answers come until the query's time is over.
   * @returns gives the query up.
   * @throws ClusterError `SWIM_QUERY_TOO_LARGE`, `SWIM_QUERIES_BUSY`, `SWIM_NOT_RUNNING` or `SWIM_SERF_OFF`.
   */
  query(request: QueryRequest, sink: QuerySink): () => void {
    return this.#running().ask(request, sink);
  }

  /** Answers questions of this name; the latest handler of a name counts. @returns takes it away. */
  onQuery(name: string, handler: QueryHandler): () => void {
    if (this.#serf === null) throw serfOff();
    return this.#serf.onQuery(name, handler);
  }

  /** @returns ends the subscription. */
  onUserEvent(listener: (event: UserEvent) => void): () => void {
    return this.#userListeners.add(listener);
  }

  /** Where a member is in the network (Vivaldi); of others once they have answered a probe of ours. */
  coordinate(member: string = this.#config.name): Coordinate | undefined {
    return this.#serf?.coordinate(member);
  }

  /** Estimated round trip between two members, measured or not; undefined while a coordinate is unknown. */
  estimateRttMs(a: string, b: string = this.#config.name): number | undefined {
    return this.#serf?.estimateRttMs(a, b);
  }

  #running(): SerfLayer {
    if (this.#phase !== 'running') throw notRunning();
    if (this.#serf === null) throw serfOff();
    return this.#serf;
  }

  *#start(): Task<Address> {
    const { datagrams, streams } = this.#ports;
    try {
      const { incarnation, reserved, peers } = yield* this.#kept.recall();
      const handlers = {
        onMessage: (bytes: Uint8Array, from: Address) => this.#dispatch(this.#packets.receive(bytes, from)),
        onError: (error: ClusterError) => this.#logger.log('debug', error.message),
      };
      const bound = yield* bindBoth(this.#config.bind, datagrams, streams, handlers, (stream) =>
        this.#streams.accept(stream),
      );
      this.#bound = bound;
      this.#executor.socket = bound.socket;
      // Stopped while it was starting: nobody else would close the sockets.
      if (this.#isStopped) {
        this.#unbind();
        throw stopped();
      }
      this.#self = advertised(this.#config, bound.local);
      this.#phase = 'running';
      this.#dispatch({ type: 'START', address: this.#self, incarnation, reserved });
      this.#serf?.start(this.#self);
      this.metadata?.start(incarnation);
      this.#dispatch({ type: 'REMEMBERED', peers: peers.filter(({ address }) => this.#isOther(address)) });
      return this.#self;
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  *#join(join: number, seeds: readonly Address[]): Task<void> {
    const { addresses, failures } = yield* resolveSeeds(seeds, this.#ports.resolver, this.#gate);
    if (!this.#calls.noteFailures(join, failures)) return;
    const others = addresses.filter((address) => this.#isOther(address)).slice(0, this.#config.seedsMax);
    if (others.length > 0) this.#dispatch({ type: 'JOIN', join, seeds: others });
    else this.#executor.execute({ type: 'joinFinished', join, reached: 0, failures: [], aborted: false });
  }

  #isOther(address: Address): boolean {
    return this.#gate.allows(address) && !sameAddress(address, this.#self);
  }

  #tell(event: MemberHappening): void {
    this.#kept.noticed(event);
    this.#listeners.tell(event);
  }

  #loseName(): void {
    const error = nameLost(this.#config.name);
    this.#logger.log('error', error.line);
    const event = {
      type: 'Conflict',
      member: this.self(),
      atMs: this.#ports.clock.nowMs(),
      lost: true,
    } as const;
    this.#calls.failAll(error);
    this.stop();
    this.#listeners.tell(event);
  }

  #dispatch(input: SwimInput): void {
    if (this.#phase !== 'running') return;
    this.#driver.dispatch(input);
  }

  #broke(error: unknown): void {
    this.#logger.log('error', `Membership has stopped on a bug: ${describeError(error)}`);
    this.#calls.failAll(stopped());
    this.#close();
  }

  #close(): void {
    this.#phase = 'stopped';
    this.#driver.stop();
    this.#kept.close(() => undefined);
    this.#serf?.stop();
    this.metadata?.stop();
    this.#streams.close();
    this.#unbind();
  }

  // A method of its own, because the type checker takes the phase for unchanged over a wait.
  get #isStopped(): boolean {
    return this.#phase === 'stopped';
  }

  #unbind(): void {
    this.#bound?.close();
    this.#bound = null;
    this.#executor.socket = null;
  }
}
