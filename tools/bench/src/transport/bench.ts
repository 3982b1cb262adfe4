/**
 * How fast messages travel: `@cluster/transport` as shipped beside raw TLS with the same codec, in pairs, and beside what else
 * there is. Every contender has two processes of its own, so that what one teaches the compiler does not slow down another.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from '@cluster/programs';
import { transportConfigSchema } from '@cluster/transport';
import { machine } from '../machine.ts';
import { type Foreign, freePorts, hasCommand, Workplace } from '../process/workplace.ts';
import type { BenchResult, BenchRow, Expectation } from '../result.ts';
import { pairedRatio, summarize } from '../statistics.ts';
import { type LoadCase, loadCases } from './cases.ts';
import {
  type Identities,
  type IdleCost,
  issueIdentities,
  Pair,
  type PairOptions,
  type RunResult,
  type TransportPrograms,
} from './pair.ts';
import {
  stoppedReader,
  type StoppedReaderOptions,
  type StoppedReaderPrograms,
} from './stopped-reader/case.ts';

export interface TransportBenchOptions {
  /** Pairs of ours and raw TLS. */
  readonly rounds: number;
  readonly peerRounds: number;
  readonly warmMs: number;
  readonly runMs: number;
  readonly idleConnections: number;
  readonly idleTrials: number;
  /** How long idle connections are watched for what they cost of the processors. */
  readonly idleWatchMs: number;
  readonly stoppedReader: StoppedReaderOptions;
  /** Which of `transportCases`. */
  readonly cases: readonly string[];
  readonly peers: readonly string[];
  /** Where CPU profiles of ours and the limit go, of runs after the last round. */
  readonly profile?: string;
}

export const transportCases: readonly string[] = [
  ...loadCases.map(({ name }) => name),
  'idle',
  'stopped-reader',
];

export const transportDefaults: TransportBenchOptions = {
  rounds: 12,
  peerRounds: 3,
  warmMs: 150,
  runMs: 500,
  idleConnections: 250,
  idleTrials: 3,
  // Three times the silence after which a connection is pinged.
  idleWatchMs: 9000,
  stoppedReader: { trials: 3, offeredBytes: 1024 * 1024 * 1024, stoppedMs: 5000 },
  cases: transportCases,
  peers: ['tls-lent', 'net', 'http2', 'grpc-js', 'nats.js', 'yamux'],
};

/** Says whether it works, in seconds; its figures are worth little. */
export const transportQuick: TransportBenchOptions = {
  rounds: 2,
  peerRounds: 1,
  warmMs: 30,
  runMs: 60,
  idleConnections: 10,
  idleTrials: 1,
  idleWatchMs: 100,
  stoppedReader: { trials: 1, offeredBytes: 96 * 1024 * 1024, stoppedMs: 500 },
  cases: transportCases,
  peers: transportDefaults.peers,
};

const source = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** @param say told what is under way. */
export function benchTransport(
  options: TransportBenchOptions,
  say: (line: string) => void = () => undefined,
): Promise<BenchResult> {
  return Workplace.use(async (place) => {
    const [programs, identities] = await Promise.all([
      bundle({
        programs: {
          server: source('./server-program.ts'),
          client: source('./client-program.ts'),
          reader: source('./stopped-reader/reader-program.ts'),
          sender: source('./stopped-reader/sender-program.ts'),
        },
        outdir: join(place.folder, 'programs'),
      }),
      issueIdentities(options.idleConnections),
    ]);
    const bench = new TransportBench(place, programs, identities, options, say);
    await bench.pairs();
    await bench.idle();
    await bench.stoppedReader();
    for (const peer of options.peers) await bench.peer(peer);
    return bench.result();
  });
}

type Samples = Map<string, RunResult[][]>;

class TransportBench {
  readonly #place: Workplace;
  readonly #programs: TransportPrograms & StoppedReaderPrograms;
  readonly #identities: Identities;
  readonly #options: TransportBenchOptions;
  readonly #say: (line: string) => void;
  /** By contender, by case, by round. */
  readonly #samples: Samples = new Map();
  readonly #idle: Record<'ours' | 'tls', IdleCost[]> = { ours: [], tls: [] };
  readonly #stoppedRows: BenchRow[] = [];
  readonly #expectations: Expectation[] = [];
  readonly #notes: string[] = [];
  readonly #cases: readonly LoadCase[];
  readonly #measuresIdle: boolean;

  constructor(
    place: Workplace,
    programs: TransportPrograms & StoppedReaderPrograms,
    identities: Identities,
    options: TransportBenchOptions,
    say: (line: string) => void,
  ) {
    this.#place = place;
    this.#programs = programs;
    this.#identities = identities;
    this.#options = options;
    this.#say = say;
    this.#cases = loadCases.filter(({ name }) => options.cases.includes(name));
    this.#measuresIdle = options.cases.includes('idle');
  }

  /** Ours and the limit in turns; who goes first alternates. */
  async pairs(): Promise<void> {
    const { rounds } = this.#options;
    if (this.#cases.length === 0) return;
    const pairs = { ours: await this.#connected('ours'), tls: await this.#connected('tls') };
    for (let round = 0; round < rounds; round++) {
      this.#say(`ours beside raw TLS, round ${round + 1} of ${rounds}`);
      for (const loadCase of this.#cases) {
        const order = round % 2 === 0 ? (['ours', 'tls'] as const) : (['tls', 'ours'] as const);
        for (const name of order) await this.#sample(name, pairs[name], loadCase);
      }
    }
    await this.#profile(pairs);
    await Promise.all([pairs.ours.stop(), pairs.tls.stop()]);
  }

  async idle(): Promise<void> {
    const { idleTrials, idleConnections, idleWatchMs } = this.#options;
    if (!this.#measuresIdle) return;
    this.#say(`idle connections, ${idleTrials} times ${idleConnections} of each`);
    for (let trial = 0; trial < idleTrials; trial++) {
      for (const name of ['ours', 'tls'] as const) {
        const pair = await this.#start(name, { nodeFlags: ['--expose-gc'] });
        this.#idle[name].push(await pair.idle(this.#identities, idleWatchMs));
        await pair.stop();
      }
    }
  }

  async stoppedReader(): Promise<void> {
    const { cases, stoppedReader: options } = this.#options;
    if (!cases.includes('stopped-reader')) return;
    this.#say(`a reader that stops, ${options.trials} times`);
    const { rows, expectations } = await stoppedReader(
      this.#place,
      this.#programs,
      this.#identities,
      options,
    );
    this.#stoppedRows.push(...rows);
    this.#expectations.push(...expectations);
  }

  async peer(name: string): Promise<void> {
    if (this.#cases.length === 0) return;
    const broker = name === 'nats.js' ? await this.#startBroker() : null;
    if (name === 'nats.js' && broker === null) {
      this.#skip('nats.js', 'nats-server');
      return;
    }
    this.#say(`peer ${name}`);
    const pair = await this.#connected(name, broker === null ? {} : { NATS_URL: broker.url });
    for (let round = 0; round < this.#options.peerRounds; round++) {
      for (const loadCase of this.#cases) await this.#sample(name, pair, loadCase);
    }
    await pair.stop();
    await broker?.process.kill('SIGKILL');
  }

  #skip(peer: string, program: string): void {
    const why = `${program} is not installed here`;
    if (process.env['CI'] !== undefined) throw new Error(`The peer ${peer} is missing: ${why}.`);
    this.#notes.push(`1 peer skipped: ${peer}, for ${why}.`);
  }

  result(): BenchResult {
    const { rounds, peerRounds, warmMs, runMs, idleConnections, idleTrials, idleWatchMs } = this.#options;
    const { pinned } = this.#place;
    return {
      name: 'transport',
      config: {
        rounds,
        peerRounds,
        warmMs,
        runMs,
        idleConnections,
        idleTrials,
        idleWatchMs,
        stoppedReader: this.#options.stoppedReader,
        pinned: pinned ? 'server on core 0, client on core 1' : 'no',
        connections: 1,
        machine: machine(),
        ours: transportConfigSchema.parse({ nodeId: 'server', clusterName: 'bench', bind: null }),
      },
      rows: [
        ...this.#cases.flatMap((loadCase, i) => this.#rows(loadCase, i)),
        ...(this.#measuresIdle ? this.#idleRows() : []),
        ...this.#stoppedRows,
      ],
      ...(this.#notes.length === 0 ? {} : { notes: this.#notes }),
      ...(this.#expectations.length === 0 ? {} : { expectations: this.#expectations }),
    };
  }

  #rows({ readings }: LoadCase, index: number): BenchRow[] {
    return readings.map(({ case: name, unit, higherIsBetter, read }) => {
      const of = (contender: string): number[] => (this.#samples.get(contender)?.[index] ?? []).map(read);
      const { median, spread } = summarize(of('ours'));
      const ratio = pairedRatio(of('ours'), of('tls'), higherIsBetter);
      const peers = [...this.#samples.keys()].filter((peer) => peer !== 'ours' && peer !== 'tls');
      return {
        case: name,
        unit,
        higherIsBetter,
        ours: median,
        limit: summarize(of('tls')).median,
        peers: Object.fromEntries(peers.map((peer) => [peer, summarize(of(peer)).median])),
        ratioToLimit: ratio.median,
        ratioInterval: ratio.interval,
        spread,
      };
    });
  }

  #idleRows(): BenchRow[] {
    const row = (name: string, unit: string, read: (cost: IdleCost) => number): BenchRow => {
      const [ours, tls] = [this.#idle.ours.map(read), this.#idle.tls.map(read)];
      const { median, spread } = summarize(ours);
      const ratio = pairedRatio(ours, tls, false);
      return {
        case: name,
        unit,
        higherIsBetter: false,
        ours: median,
        limit: summarize(tls).median,
        peers: {},
        ratioToLimit: ratio.median,
        ratioInterval: ratio.interval,
        spread,
      };
    };
    return [
      row('memory of an idle connection, server', 'KiB', ({ serverBytes }) => serverBytes / 1024),
      row('CPU of an idle connection, server', 'µs/s', ({ serverCpu }) => serverCpu),
      row('CPU of an idle connection, both sides', 'µs/s', ({ bothCpu }) => bothCpu),
    ];
  }

  async #sample(name: string, pair: Pair, loadCase: LoadCase): Promise<void> {
    const { warmMs, runMs } = this.#options;
    const result = await pair.run({ ...loadCase.load, warmMs, runMs: runMs * (loadCase.longer ?? 1) });
    const cases = this.#samples.get(name) ?? this.#cases.map((): RunResult[] => []);
    this.#samples.set(name, cases);
    cases[this.#cases.indexOf(loadCase)]?.push(result);
  }

  /** Runs that count for nothing else. */
  async #profile(pairs: Readonly<Record<string, Pair>>): Promise<void> {
    const { profile, warmMs, runMs } = this.#options;
    if (profile === undefined) return;
    await mkdir(profile, { recursive: true });
    for (const { name, load } of this.#cases) {
      for (const [contender, pair] of Object.entries(pairs)) {
        await pair.run(
          { ...load, warmMs, runMs: 4 * runMs },
          join(profile, `transport-${contender}-${name}`),
        );
      }
    }
    this.#say(`CPU profiles are in ${profile}`);
  }

  #start(name: string, how: Omit<PairOptions, 'identities'> = {}): Promise<Pair> {
    return Pair.start(this.#place, this.#programs, name, { identities: this.#identities, ...how });
  }

  async #connected(name: string, env: Readonly<Record<string, string>> = {}): Promise<Pair> {
    return await (await this.#start(name, { env })).connect(this.#identities);
  }

  async #startBroker(): Promise<{ readonly url: string; readonly process: Foreign } | null> {
    if (!hasCommand('nats-server', '--version')) return null;
    const [port = 0] = await freePorts(1);
    const config = join(this.#place.folder, 'nats.conf');
    await writeFile(config, `listen: "127.0.0.1:${port}"\nmax_payload: 8MB\nmax_pending: 256MB\n`);
    const broker = this.#place.startForeign('nats-server', 'nats-server', ['-c', config], (error) => {
      throw error;
    });
    return { url: `nats://127.0.0.1:${port}`, process: broker };
  }
}
