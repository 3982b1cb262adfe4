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
import type { BenchResult, BenchRow } from '../result.ts';
import { pairedRatio, summarize } from '../statistics.ts';
import { type LoadCase, loadCases } from './cases.ts';
import {
  type Identities,
  issueIdentities,
  Pair,
  type PairOptions,
  type RunResult,
  type TransportPrograms,
} from './pair.ts';

export interface TransportBenchOptions {
  /** Pairs of ours and raw TLS. */
  readonly rounds: number;
  readonly peerRounds: number;
  readonly warmMs: number;
  readonly runMs: number;
  readonly idleConnections: number;
  readonly idleTrials: number;
  /** Which of `transportCases`. */
  readonly cases: readonly string[];
  readonly peers: readonly string[];
  /** Where CPU profiles of ours and the limit go, of runs after the last round. */
  readonly profile?: string;
}

export const transportCases: readonly string[] = [...loadCases.map(({ name }) => name), 'idle'];

export const transportDefaults: TransportBenchOptions = {
  rounds: 12,
  peerRounds: 3,
  warmMs: 150,
  runMs: 500,
  idleConnections: 250,
  idleTrials: 3,
  cases: transportCases,
  peers: ['net', 'http2', 'grpc-js', 'nats.js', 'yamux'],
};

/** Says whether it works, in seconds; its figures are worth little. */
export const transportQuick: TransportBenchOptions = {
  rounds: 2,
  peerRounds: 1,
  warmMs: 30,
  runMs: 60,
  idleConnections: 10,
  idleTrials: 1,
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
        programs: { server: source('./server-program.ts'), client: source('./client-program.ts') },
        outdir: join(place.folder, 'programs'),
      }),
      issueIdentities(options.idleConnections),
    ]);
    const bench = new TransportBench(place, programs, identities, options, say);
    await bench.pairs();
    await bench.idle();
    for (const peer of options.peers) await bench.peer(peer);
    return bench.result();
  });
}

type Samples = Map<string, RunResult[][]>;

class TransportBench {
  readonly #place: Workplace;
  readonly #programs: TransportPrograms;
  readonly #identities: Identities;
  readonly #options: TransportBenchOptions;
  readonly #say: (line: string) => void;
  /** By contender, by case, by round. */
  readonly #samples: Samples = new Map();
  readonly #idleBytes = { ours: [] as number[], tls: [] as number[] };
  readonly #notes: string[] = [];
  readonly #cases: readonly LoadCase[];
  readonly #measuresIdle: boolean;

  constructor(
    place: Workplace,
    programs: TransportPrograms,
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
    const { idleTrials, idleConnections } = this.#options;
    if (!this.#measuresIdle) return;
    this.#say(`idle connections, ${idleTrials} times ${idleConnections} of each`);
    for (let trial = 0; trial < idleTrials; trial++) {
      for (const name of ['ours', 'tls'] as const) {
        const pair = await this.#start(name, { nodeFlags: ['--expose-gc'] });
        this.#idleBytes[name].push(await pair.idleBytes(this.#identities));
        await pair.stop();
      }
    }
  }

  async peer(name: string): Promise<void> {
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
    const { rounds, peerRounds, warmMs, runMs, idleConnections, idleTrials } = this.#options;
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
        pinned: pinned ? 'server on core 0, client on core 1' : 'no',
        connections: 1,
        machine: machine(),
        ours: transportConfigSchema.parse({ nodeId: 'server', clusterName: 'bench', bind: null }),
      },
      rows: [
        ...this.#cases.flatMap((loadCase, i) => this.#rows(loadCase, i)),
        ...(this.#measuresIdle ? [this.#idleRow()] : []),
      ],
      ...(this.#notes.length === 0 ? {} : { notes: this.#notes }),
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

  #idleRow(): BenchRow {
    const kib = (bytes: readonly number[]): number[] => bytes.map((value) => value / 1024);
    const { ours, tls } = this.#idleBytes;
    const ratio = pairedRatio(ours, tls, false);
    return {
      case: 'memory of an idle connection, server',
      unit: 'KiB',
      higherIsBetter: false,
      ours: summarize(kib(ours)).median,
      limit: summarize(kib(tls)).median,
      peers: {},
      ratioToLimit: ratio.median,
      ratioInterval: ratio.interval,
      spread: summarize(ours).spread,
    };
  }

  async #sample(name: string, pair: Pair, loadCase: LoadCase): Promise<void> {
    const { warmMs, runMs } = this.#options;
    const result = await pair.run({ ...loadCase.load, warmMs, runMs });
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
