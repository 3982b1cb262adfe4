/**
 * What agreement costs: three servers of ours beside three of etcd and beside a bare loop without a protocol, all on the same
 * cores, each with its log flushed to the disk, loaded by one process over the network, interleaved in every round.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Address } from '@cluster/core';
import { createAuthority, issueClientCertificate, issueNodeCertificate } from '@cluster/manager/certificates';
import type { Network } from '@cluster/nemesis';
import { bundle } from '@cluster/programs';
import { raftConfigSchema } from '@cluster/raft';
import { machine } from '../machine.ts';
import type { Remote } from '../process/remote.ts';
import { hasCommand, Workplace } from '../process/workplace.ts';
import type { BenchResult } from '../result.ts';
import type { Place } from '../transport/contender.ts';
import { awayExpectations, type AwayResult, awayRows, AwayRun } from './away.ts';
import type { RaftLoad, RaftLoadResult } from './client-program.ts';
import {
  type Cluster,
  type EtcdOptions,
  type OurCluster,
  serverNames,
  startBare,
  startEtcd,
  startOurs,
} from './clusters.ts';
import type { EtcdStatus } from './etcd-status.ts';
import { clientHost, type FailoverScene, inside, measureFailover } from './failover.ts';
import type { Restarted } from './lone-program.ts';
import type { RaftBenchOptions } from './options.ts';
import { measureRestart, restartRows } from './restart.ts';
import {
  failoverRows,
  type FailoverTimes,
  loadExpectations,
  loadRows,
  type RaftSamples,
  type StoreName,
} from './rows.ts';
import { keepLoaded, steadyExpectations, steadyRows, type SteadyRun } from './steady.ts';

/** Ours by default, and what etcd is set to for the failover: an election timeout is drawn between this and twice this. */
const equalTimings = { heartbeatMs: 50, electionMs: 250 } as const;
const clusterName = 'bench';

const source = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** @param say told what is under way. */
export function benchRaft(
  options: RaftBenchOptions,
  say: (line: string) => void = () => undefined,
): Promise<BenchResult> {
  return Workplace.use(async (place) => {
    const bench = await RaftBench.prepare(place, options, say);
    if (options.profile !== undefined) await mkdir(options.profile, { recursive: true });
    if (options.restart > 0) await bench.restart();
    if (options.away > 0) await bench.away();
    if (options.restart > 0 || options.away > 0) return bench.result();
    for (let round = 0; round < options.rounds; round++) await bench.round(round);
    await bench.profile();
    if (options.failover > 0) await bench.failover();
    if (options.steady > 0) await bench.steady();
    return bench.result();
  }, options.folder);
}

interface Programs {
  readonly server: string;
  readonly client: string;
  readonly bare: string;
  readonly lone: string;
}

class RaftBench {
  readonly #place: Workplace;
  readonly #options: RaftBenchOptions;
  readonly #say: (line: string) => void;
  readonly #programs: Programs;
  readonly #identities: Readonly<Record<string, Place>>;
  readonly #loads: RaftSamples = new Map();
  #failovers: FailoverTimes = new Map();
  #steady: SteadyRun | null = null;
  #restarts: readonly Restarted[] = [];
  #absence: AwayResult | null = null;
  readonly #notes: string[] = [];
  readonly #hasEtcd: boolean;
  #folders = 0;

  private constructor(
    place: Workplace,
    options: RaftBenchOptions,
    say: (line: string) => void,
    programs: Programs,
    identities: Readonly<Record<string, Place>>,
  ) {
    this.#place = place;
    this.#options = options;
    this.#say = say;
    this.#programs = programs;
    this.#identities = identities;
    this.#hasEtcd = hasCommand('etcd', '--version');
    if (!this.#hasEtcd && process.env['CI'] !== undefined)
      throw new Error('The peer etcd is missing: it is not installed here.');
    if (!this.#hasEtcd) this.#notes.push('1 peer skipped: etcd, for it is not installed here.');
  }

  static async prepare(
    place: Workplace,
    options: RaftBenchOptions,
    say: (line: string) => void,
  ): Promise<RaftBench> {
    const programs = await bundle({
      programs: {
        server: source('./server-program.ts'),
        client: source('./client-program.ts'),
        bare: source('./bare-program.ts'),
        lone: source('./lone-program.ts'),
      },
      outdir: join(place.folder, 'programs'),
    });
    return new RaftBench(place, options, say, programs, await issue());
  }

  async round(round: number): Promise<void> {
    const { clients, rounds } = this.#options;
    const clusters = new Map<StoreName, Cluster>([
      ['ours', await this.#ours()],
      ['bare', await this.#bare()],
    ]);
    if (this.#hasEtcd) clusters.set('etcd', await this.#etcd());
    const client = await this.#client(clusters);
    for (const kind of ['put', 'read'] as const) {
      for (const count of clients) {
        this.#say(`round ${round + 1} of ${rounds}: ${kind}s, ${count} clients`);
        for (const name of this.#turns([...clusters.keys()], round)) {
          if (kind === 'read' && name === 'bare') continue;
          await this.#load(client, name, clusters.get(name) as Cluster, kind, count);
        }
      }
    }
    await Promise.all([client.kill(), ...[...clusters.values()].map((cluster) => cluster.stop())]);
  }

  async profile(): Promise<void> {
    const { profile, clients } = this.#options;
    if (profile === undefined) return;
    const ours = await this.#ours();
    const client = await this.#client(new Map([['ours', ours]]));
    for (const kind of ['put', 'read'] as const) {
      for (const count of clients) {
        const server = await ours.leader();
        const load = this.#loadOf('ours', server, kind, count);
        const prefix = join(profile, `raft-${kind}-${count}`);
        await client.profiled(`${prefix}-client.cpuprofile`, () =>
          ours.profiled(`${prefix}-leader-${server}`, () => client.call('run', load)),
        );
      }
    }
    await Promise.all([client.kill(), ours.stop()]);
    this.#say(`CPU profiles are in ${profile}`);
  }

  async failover(): Promise<void> {
    const { times, skipped } = await measureFailover({
      trials: this.#options.failover,
      say: this.#say,
      stage: (network) => this.#stage(network),
    });
    this.#failovers = times;
    if (skipped !== null) {
      if (process.env['CI'] !== undefined)
        throw new Error(`Silent failovers cannot be measured: ${skipped}.`);
      this.#notes.push(`1 case skipped: a leader whose network goes silent, for ${skipped}.`);
    }
  }

  async steady(): Promise<void> {
    const { steady: minutes, valueBytes, warmMs } = this.#options;
    const clients = Math.max(...this.#options.clients);
    const ours = await this.#ours();
    const client = await this.#client(new Map([['ours', ours]]));
    const server = await ours.leader();
    const load = { store: 'ours', server, kind: 'put', clients, valueBytes, warmMs } as const;
    this.#steady = await keepLoaded({
      minutes,
      clients,
      load: (runMs) => client.call<RaftLoadResult>('run', { ...load, runMs } satisfies RaftLoad),
      term: () => ours.term(),
      say: this.#say,
    });
    await Promise.all([client.kill(), ours.stop()]);
  }

  async restart(): Promise<void> {
    const { restart: entries, rounds: trials, valueBytes, profile } = this.#options;
    const dataDir = join(await this.#folder('alone'), serverNames[0]);
    const { lone: program } = this.#programs;
    const say = this.#say;
    const place = this.#place;
    this.#restarts = await measureRestart({
      place,
      program,
      dataDir,
      entries,
      valueBytes,
      trials,
      say,
      profile,
    });
  }

  async away(): Promise<void> {
    const {
      away: entries,
      awayKeys: keys,
      awaySliceMs: sliceMs,
      clients,
      valueBytes,
      profile,
    } = this.#options;
    const cluster = await this.#ours();
    const client = await this.#client(new Map([['ours', cluster]]));
    const say = this.#say;
    const load = { entries, keys, sliceMs, clients: Math.max(...clients), valueBytes, profile };
    this.#absence = await AwayRun.measure({ cluster, client, say, ...load });
    await Promise.all([client.kill(), cluster.stop()]);
  }

  async #stage(network: Network | null): Promise<FailoverScene> {
    const client = this.#startClient(network);
    const ask = (server: Address): Promise<EtcdStatus> => client.call('etcdStatus', server);
    const clusters = new Map<StoreName, Cluster>([['ours', await this.#ours(network)]]);
    if (this.#hasEtcd) clusters.set('etcd', await this.#etcd({ equal: true, network, ask }));
    await this.#open(client, clusters);
    return {
      clusters,
      client,
      end: async () => {
        await Promise.all([client.kill(), ...[...clusters.values()].map((cluster) => cluster.stop())]);
      },
    };
  }

  result(): BenchResult {
    const { rounds, clients, valueBytes, warmMs, warmOperations, runMs } = this.#options;
    const { failover, steady, away, restart, settings } = this.#options;
    const absence = this.#absence;
    const expectations = [
      ...(this.#loads.size === 0 ? [] : loadExpectations(this.#loads)),
      ...(this.#steady === null ? [] : steadyExpectations(this.#steady)),
      ...(absence === null ? [] : awayExpectations(absence)),
    ];
    return {
      name: 'raft',
      config: {
        rounds,
        clients,
        valueBytes,
        warmMs,
        warmOperations,
        runMs,
        failover,
        steady,
        away,
        restart,
        servers: serverNames.length,
        flush: 'every write of all three, on disk',
        wire: { ours: 'mutual TLS', limit: 'mutual TLS', etcd: 'HTTP, JSON gateway v3' },
        etcd: { load: 'its defaults (100 ms, 1000 ms)', failover: equalTimings },
        machine: machine(),
        ours: raftConfigSchema.parse({ nodeId: 'n1', voters: [...serverNames], ...settings }),
      },
      rows: [
        ...(this.#loads.size === 0 ? [] : loadRows(this.#loads, clients)),
        ...failoverRows(this.#failovers, failover),
        ...(this.#steady === null ? [] : steadyRows(this.#steady)),
        ...(this.#restarts.length === 0 ? [] : restartRows(this.#restarts, restart)),
        ...(absence === null ? [] : awayRows(absence)),
      ],
      ...(expectations.length === 0 ? {} : { expectations }),
      ...(this.#notes.length === 0 ? {} : { notes: this.#notes }),
    };
  }

  async #load(
    client: Remote,
    name: StoreName,
    cluster: Cluster,
    kind: 'put' | 'read',
    clients: number,
  ): Promise<void> {
    const server = await cluster.leader();
    const load = this.#loadOf(name, server, kind, clients);
    const before = await cluster.cpuUs();
    const result = await client.call<RaftLoadResult>('run', load);
    const cpuUs = ((await cluster.cpuUs()) - before) / result.operations;
    const key = `${name} ${kind} ${clients}`;
    this.#loads.set(key, [...(this.#loads.get(key) ?? []), { ...result, cpuUs }]);
  }

  #loadOf(store: StoreName, server: string, kind: 'put' | 'read', clients: number): RaftLoad {
    const { valueBytes, warmMs, warmOperations, runMs } = this.#options;
    return { store, server, kind, clients, valueBytes, warmMs, warmOperations, runMs };
  }

  /** Who goes first changes from round to round. */
  #turns(names: readonly StoreName[], round: number): StoreName[] {
    return names.map((_, i) => names[(i + round) % names.length] as StoreName);
  }

  async #client(clusters: ReadonlyMap<StoreName, Cluster>): Promise<Remote> {
    const client = this.#startClient(null);
    await this.#open(client, clusters);
    return client;
  }

  #startClient(network: Network | null): Remote {
    const prefix = network?.prefix(clientHost) ?? [];
    return this.#place.start('clients', this.#programs.client, [], { core: null, prefix });
  }

  async #open(client: Remote, clusters: ReadonlyMap<StoreName, Cluster>): Promise<void> {
    for (const [name, cluster] of clusters) {
      const { servers } = cluster;
      await client.call('open', { name, kind: name, place: this.#identities['client'], servers });
      await cluster.leader();
    }
  }

  async #ours(network: Network | null = null): Promise<OurCluster> {
    const { server: program } = this.#programs;
    const folder = await this.#folder('ours');
    return await startOurs({
      place: this.#place,
      surroundings: inside(network),
      program,
      identities: this.#identities,
      folder,
      settings: this.#options.settings,
    });
  }

  async #etcd(
    where: { equal?: boolean; network?: Network | null; ask?: EtcdOptions['ask'] } = {},
  ): Promise<Cluster> {
    const { equal = false, network = null, ask } = where;
    const folder = await this.#folder('etcd');
    const timings = equal ? equalTimings : null;
    return await startEtcd({ place: this.#place, surroundings: inside(network), ask, folder, timings });
  }

  async #bare(): Promise<Cluster> {
    const folder = await this.#folder('bare');
    const { bare: program } = this.#programs;
    return await startBare({ place: this.#place, program, identities: this.#identities, folder });
  }

  async #folder(name: string): Promise<string> {
    const folder = join(this.#place.folder, `${name}-${this.#folders++}`);
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    for (const server of serverNames) await mkdir(join(folder, server), { mode: 0o700 });
    return folder;
  }
}

async function issue(): Promise<Readonly<Record<string, Place>>> {
  const authority = await createAuthority();
  const identities: Record<string, Place> = {};
  for (const nodeId of serverNames) {
    const tls = await issueNodeCertificate(authority, { clusterName, nodeId });
    identities[nodeId] = { clusterName, role: 'node', nodeId, tls };
  }
  const tls = await issueClientCertificate(authority, { clusterName, clientId: 'loader' });
  identities['client'] = { clusterName, role: 'client', nodeId: 'loader', tls };
  return identities;
}
