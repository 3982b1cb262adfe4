/**
 * The transport in the simulator: the whole protocol core of some nodes that talk while connections break, stall and stay half
 * open, and processes crash, freeze and say goodbye. Timings are a tenth of the defaults, so that a run holds more.
 *
 * After the faults comes calm, in which everything waits to be delivered, every call succeeds, and two nodes are left with the
 * connections they need; then one says goodbye in the middle of its work.
 */
import { type Logger, MetricsRegistry } from '@cluster/core';
import { nemesis, type NemesisOptions, type NodePorts, type Process, World } from '@cluster/sim';
import { TransportEngine, type TransportConfigInput } from '@cluster/transport';
import { pickCounts, type SeedOptions, type SeedResult, type WorldKind } from '../world-kind.ts';
import { TransportChecker } from './checker.ts';
import type { TransportMutant } from './mutants.ts';
import { secureStreams } from './secure-streams.ts';
import { tailPacker } from './tail-packer.ts';
import { Talker } from './talker.ts';

const clusterName = 'sim';
const port = 7947;
const sizes = [2, 3, 3, 4];
const faultsMs = 4000;
const slowRate = 0.3;
// The longest of: a backoff, a resumption that does not come, a handler that takes its time.
const drainMs = 15_000;
const calmCallMs = 2000;
const restMs = 1500;

const nameWithout = 'n3';

const config = {
  messageBytesMax: 262_144,
  streamWindowBytes: 131_072,
  sessionWindowBytes: 262_144,
  queueMessagesMax: 128,
  queueBytesMax: 524_288,
  inFlightBytesMin: 16_384,
  inFlightDelayMs: 0,
  windowMessages: 64,
  callsMax: 96,
  streamsMax: 8,
  controlFramesMax: 64,
  streamBufferBytes: 16_384,
  streamBufferBytesMax: 24_576,
  streamsBufferBytes: 65_536,
  inboundCallsMax: 12,
  bulkConnection: true,
  bulkAfterBytes: 20_000,
  bulkAfterMs: 5,
  requestTimeoutMs: 1500,
  dialTimeoutMs: 300,
  handshakeTimeoutMs: 300,
  keepaliveIdleMs: 300,
  pingTimeoutMs: 200,
  writeTimeoutMs: 250,
  idleCloseMs: 1000,
  renewAfterRecords: 70,
  backoffMinMs: 5,
  backoffMaxMs: 500,
  resumeTimeoutMs: 2500,
  drainTimeoutMs: 400,
} satisfies Partial<TransportConfigInput>;

const counted = [
  'posts',
  'calls',
  'arrivals',
  'pings',
  'answers',
  'chunkedMessages',
  'compressedMessages',
  'bulkConnections',
  'bulkResumed',
  'streamsBegun',
  'streamsAccepted',
  'streamsEnded',
  'streamsGivenUp',
  'streamsLost',
  'streamWindowsGrown',
  'refusedByBackpressure',
  'givenUpSafely',
  'maybeDelivered',
  'timeouts',
  'aborts',
  'overloads',
  'remoteErrors',
  'sessionsBegun',
  'sessionsResumed',
  'resends',
  'heldBack',
  'simultaneousDials',
  'silentPeers',
  'deafPeers',
  'unusedConnections',
  'breakersOpened',
  'breakersProbed',
  'renewals',
  'goodbyes',
  'crashes',
  'restarts',
  'streamsStalled',
  'streamsBroken',
  'partitions',
  'cuts',
  'pauses',
  'slowdowns',
];

/** Too seldom to be asked of so few seeds. */
const rare = ['simultaneousBulkDials'];

const countersByReason: Readonly<Record<string, string>> = {
  TRANSPORT_PEER_SILENT: 'silentPeers',
  TRANSPORT_WRITE_STALLED: 'deafPeers',
  TRANSPORT_CONNECTION_IDLE: 'unusedConnections',
};

interface Running {
  readonly engine: TransportEngine;
  readonly metrics: MetricsRegistry;
  readonly talker: Talker;
}

class TransportRun {
  readonly #world: World;
  readonly #names: readonly string[];
  readonly #checker: TransportChecker;
  readonly #mutant: TransportMutant | null;
  readonly #running = new Map<string, Running>();
  /** In the others deadlines are held to the millisecond. */
  readonly #mayBeSlow: boolean;
  #talking = true;

  constructor(seed: number, { trace, started }: SeedOptions, mutant: TransportMutant | null) {
    this.#world = new World({ seed, trace, network: { streamPatienceMs: 1200 } });
    started(this.#world);
    this.#mutant = mutant;
    this.#mayBeSlow = this.#world.prng.chance(slowRate);
    const size = this.#world.prng.pick(sizes) ?? 3;
    this.#names = Array.from({ length: size }, (_, i) => `n${i + 1}`);
    this.#checker = new TransportChecker(this.#world, this.#names, { ...config, peersMax: size - 1 });
  }

  run(): SeedResult {
    const world = this.#world;
    const { prng } = world;
    for (const name of this.#names) world.spawn(name, (ports) => this.#boot(ports));
    const options: NemesisOptions = {
      nodes: this.#names,
      durationMs: faultsMs,
      everyMs: 250,
      lastsMaxMs: 1200,
      weights: { crashAtDisk: 0, crashTwice: 0, slow: this.#mayBeSlow ? 2 : 0 },
    };
    world.schedule(nemesis(prng, options));
    for (let atMs = prng.exponential(1500); atMs < faultsMs; atMs += prng.exponential(1500)) {
      world.after(atMs, () => this.#goodbye(prng.pick(this.#names) ?? ''));
    }
    world.runFor(faultsMs);
    this.#settle();
    for (const name of this.#names) this.#count(name);
    return { steps: world.steps, coverage: pickCounts(world, [...counted, ...rare]) };
  }

  /** Calm has come: what must finally happen. */
  #settle(): void {
    this.#talking = false;
    this.#demand('what waits is delivered when the network is whole', drainMs, () =>
      this.#names.every((name) => this.#isIdle(name)),
    );
    // Peers that were given up are left alone for a while, and half-open connections have yet to be noticed.
    this.#world.runFor(restMs);
    this.#demand('nobody holds a connection that nobody uses', drainMs, () =>
      [...this.#running.values()].every(({ metrics }) => metrics.value('connections_open') === 0),
    );
    let asked = 0;
    let answered = 0;
    for (const [name, { talker }] of this.#running) {
      for (const to of this.#names.filter((other) => other !== name)) {
        asked += talker.askAll(to, calmCallMs, () => answered++);
      }
    }
    this.#demand('in calm every call is answered', calmCallMs, () => answered === asked);
    this.#demand('nobody holds more connections than it needs', drainMs, () =>
      [...this.#running.values()].every(({ engine, metrics }) => {
        const lines = engine.peers().filter(({ pool }) => pool === 'connected');
        const others = lines.filter(({ line }) => line === 'control').length;
        return others === this.#names.length - 1 && metrics.value('connections_open') === lines.length;
      }),
    );
    for (const [name, { metrics, talker }] of this.#running) {
      const told = metrics.value('messages_dropped') - talker.refusedPosts;
      const missing = this.#checker.missing(talker.sender);
      if (missing > told)
        this.#world.fail('what is dropped is told', `${name} misses ${missing} and was told of ${told}`);
    }
    this.#farewell();
  }

  /** Who says goodbye lets what was asked of it finish. */
  #farewell(): void {
    const leaver = this.#world.prng.pick(this.#names) ?? '';
    let asked = 0;
    let answered = 0;
    for (const [name, { talker }] of this.#running) {
      if (name !== leaver) asked += talker.askSlowly(leaver, config.drainTimeoutMs / 2, () => answered++);
    }
    this.#world.runFor(50);
    let closed = false;
    this.#running.get(leaver)?.engine.close(() => (closed = true));
    this.#demand('who says goodbye finishes what was asked', config.drainTimeoutMs + 1000, () => closed);
    if (answered !== asked)
      this.#world.fail('who says goodbye finishes what was asked', `${leaver}: ${answered} of ${asked}`);
    this.#world.runFor(0);
  }

  #isIdle(name: string): boolean {
    const running = this.#running.get(name);
    if (running === undefined || running.talker.pending > 0 || running.talker.streams.open > 0) return false;
    return running.engine.peers().every(({ queued, unacknowledged }) => queued + unacknowledged === 0);
  }

  #demand(what: string, withinMs: number, isTrue: () => boolean): void {
    const world = this.#world;
    if (world.runWhileNot(isTrue, withinMs)) return;
    const states = [...this.#running].map(([name, { engine, talker }]) => {
      const peers = engine.peers().map((one) => JSON.stringify(one));
      return `${name}: ${talker.pending} pending, ${peers.join(' ')}`;
    });
    world.fail(what, `not within ${withinMs} ms; ${states.join('; ')}`);
    world.runFor(0);
  }

  #goodbye(name: string): void {
    const world = this.#world;
    if (!world.isUp(name) || world.isPaused(name)) return;
    world.counters.add('goodbyes');
    const { incarnation } = this.#running.get(name)?.talker ?? { incarnation: 0 };
    this.#running.get(name)?.engine.close(() => {
      // After the current event: nobody stops a process from inside it.
      world.after(1, () => {
        if (this.#running.get(name)?.talker.incarnation !== incarnation) return;
        world.stop(name);
        world.after(200, () => world.restart(name));
      });
    });
  }

  #boot(ports: NodePorts): Process {
    const { name, host, incarnation } = ports;
    const world = this.#world;
    this.#count(name);
    this.#checker.gone(name);
    const metrics = new MetricsRegistry();
    const streams = secureStreams(ports.streams, clusterName, (address) =>
      this.#names.find((one) => world.addressOf(one) === address),
    );
    const engine = new TransportEngine(
      {
        nodeId: name,
        clusterName,
        bind: { host, port },
        ...config,
        // One does not compress, nor do the others with it.
        compression: name === nameWithout ? 'off' : 'deflate',
        ...this.#mutant?.config,
      },
      {
        clock: this.#mutant?.clock?.(ports.clock) ?? ports.clock,
        streams: this.#mutant?.streams?.(streams, world.prng) ?? streams,
        directory: { lookup: (id) => ({ host: world.addressOf(id), port }) },
        seed: ports.seed,
        bootId: `${name}-${incarnation}`,
        compressor: this.#mutant?.compressor ?? tailPacker,
        metrics,
        tracer: ports.tracer,
        logger: this.#logger(name),
      },
    );
    const talker = new Talker(world, this.#checker, ports, this.#names, engine, {
      isTalking: () => this.#talking,
      mayBeSlow: this.#mayBeSlow,
    });
    this.#running.set(name, { engine, metrics, talker });
    this.#checker.started(name, engine);
    engine.onPeer(({ type, peer, line, reason }) => {
      if (type === 'up' && reason === 'connected') this.#checker.sessionBegan(name, `${peer} ${line}`);
      if (type === 'up' && line === 'bulk')
        world.counters.add(reason === 'resumed' ? 'bulkResumed' : 'bulkConnections');
      if (type === 'up') world.counters.add(reason === 'resumed' ? 'sessionsResumed' : 'sessionsBegun');
      const counter = countersByReason[reason];
      if (counter !== undefined) world.counters.add(counter);
    });
    engine.start((outcome) => {
      if (outcome.ok) talker.begin();
      else world.fail('a node starts', `${name}: ${outcome.error.line}`);
    });
    return {};
  }

  /** Adds what a process has counted, at its end. */
  #count(name: string): void {
    const running = this.#running.get(name);
    if (running === undefined) return;
    this.#running.delete(name);
    const { counters } = this.#world;
    counters.add('resends', running.metrics.value('resends'));
    counters.add('compressedMessages', running.metrics.value('messages_expanded'));
    counters.add('heldBack', running.metrics.value('in_flight_stalls'));
  }

  /** A node that says `error` has stopped on a bug. */
  #logger(name: string): Logger {
    return {
      log: (level, message, fields) => {
        if (level === 'error') this.#world.fail('no node stops by itself', `${name}: ${message}`);
        if (message === 'a peer broke the protocol')
          this.#world.fail('nobody breaks the protocol', `${name}: ${String(fields?.['reason'])}`);
      },
    };
  }
}

/** The world with a planted bug. */
export const transportWorldWith = (mutant: TransportMutant | null): WorldKind => ({
  name: 'transport',
  mustHappen: counted,
  run: (seed, options) => new TransportRun(seed, options, mutant).run(),
});

export const transportWorld: WorldKind = transportWorldWith(null);
