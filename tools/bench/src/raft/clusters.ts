/** Three servers each: ours, etcd, and the bare loop. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RaftStatus } from '@cluster/raft';
import type { Address } from '@cluster/core';
import type { Remote } from '../process/remote.ts';
import { type Foreign, freePorts, type Workplace } from '../process/workplace.ts';
import type { Place } from '../transport/contender.ts';
import { type EtcdStatus, etcdStatus } from './etcd-status.ts';

export interface Timings {
  readonly heartbeatMs: number;
  readonly electionMs: number;
}

export interface Cluster {
  readonly servers: Readonly<Record<string, Address>>;
  /** Waits until everybody follows the same one. */
  leader(): Promise<string>;
  kill(server: string): Promise<void>;
  restart(server: string): Promise<void>;
  stop(): Promise<void>;
  /** What its processes have used of the cores so far. */
  cpuUs(): Promise<number>;
  /** Runs something while every server of ours writes a CPU profile of itself; null: just runs it. */
  profiled<T>(prefix: string | null, run: () => Promise<T>): Promise<T>;
}

export interface OurCluster extends Cluster {
  /** The highest that any of its servers has heard of. */
  term(): Promise<number>;
  status(server: string): Promise<RaftStatus>;
  /** Resident memory, in bytes. */
  memory(server: string): Promise<number>;
  /** Runs something while one server writes a CPU profile of itself. */
  profiledOne<T>(server: string, file: string, run: () => Promise<T>): Promise<T>;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const cpuOf = async (remotes: Iterable<Remote>): Promise<number> =>
  sum(await Promise.all([...remotes].map((remote) => remote.call<number>('cpuUs'))));

const notProfiled: Cluster['profiled'] = (_prefix, run) => run();

export const serverNames = ['n1', 'n2', 'n3'] as const;
const patienceMs = 20_000;

/** Asks everybody until they agree on who leads. */
async function agreed(ask: () => Promise<readonly (string | null)[]>): Promise<string> {
  for (const endMs = performance.now() + patienceMs; performance.now() < endMs;) {
    const answers = await ask().catch(() => []);
    const [first = null] = answers;
    if (first !== null && answers.length === serverNames.length && answers.every((one) => one === first))
      return first;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`no leader within ${patienceMs} ms`);
}

/** Where the servers run: all on loopback, or each in a network of its own. */
export interface Surroundings {
  prefix(server: string): readonly string[];
  host(server: string): string;
}

export const loopback: Surroundings = { prefix: () => [], host: () => '127.0.0.1' };

export interface OurOptions {
  readonly place: Workplace;
  readonly surroundings?: Surroundings | undefined;
  readonly program: string;
  readonly identities: Readonly<Record<string, Place>>;
  readonly folder: string;
  /** What differs from the defaults. */
  readonly settings: Readonly<Record<string, number>>;
}

/** Each server in a process of its own, over mutual TLS, with every default but `settings`. */
export async function startOurs({
  place,
  surroundings = loopback,
  program,
  identities,
  folder,
  settings,
}: OurOptions): Promise<OurCluster> {
  const remotes = new Map<string, Remote>();
  const servers: Record<string, Address> = {};
  const listen = async (name: string): Promise<void> => {
    const prefix = surroundings.prefix(name);
    const remote = place.start(name, program, [name], { core: null, prefix });
    remotes.set(name, remote);
    const bind = { host: surroundings.host(name), port: servers[name]?.port ?? 0 };
    servers[name] = await remote.call<Address>('listen', { place: identities[name], bind });
  };
  const remoteOf = (name: string): Remote => remotes.get(name) as Remote;
  const enter = (name: string): Promise<void> =>
    remoteOf(name).call('join', { addresses: servers, dataDir: join(folder, name), settings });
  await Promise.all(serverNames.map(listen));
  await Promise.all(serverNames.map(enter));
  const askAll = (): Promise<RaftStatus[]> =>
    Promise.all([...remotes.values()].map((remote) => remote.call<RaftStatus>('status')));
  return {
    servers,
    term: async () => Math.max(...(await askAll()).map(({ term }) => term)),
    leader: () =>
      agreed(async () => {
        const statuses = await askAll();
        // Who comes back has caught up when it has applied as much as the others.
        const level = statuses.every(({ appliedIndex }) => appliedIndex === statuses[0]?.appliedIndex);
        return statuses.map(({ leaderId }) => (level ? leaderId : null));
      }),
    status: (name) => remoteOf(name).call<RaftStatus>('status'),
    memory: (name) => remoteOf(name).call<number>('memory'),
    profiledOne: (name, file, run) => remoteOf(name).profiled(file, run),
    kill: (name) => remoteOf(name).kill('SIGKILL'),
    restart: async (name) => {
      await listen(name);
      await enter(name);
    },
    stop: async () => {
      await Promise.all([...remotes.values()].map((remote) => remote.kill('SIGKILL')));
    },
    cpuUs: () => cpuOf(remotes.values()),
    profiled: async (prefix, run) => {
      let nested = run;
      for (const [name, remote] of remotes) {
        const inner = nested;
        nested = () => remote.profiled(prefix === null ? null : `${prefix}-${name}.cpuprofile`, inner);
      }
      return await nested();
    },
  };
}

export interface EtcdOptions {
  readonly place: Workplace;
  readonly surroundings?: Surroundings | undefined;
  /** Asks a server, from where it can be reached. */
  readonly ask?: ((server: Address) => Promise<EtcdStatus>) | undefined;
  readonly folder: string;
  /** Null: etcd's own. */
  readonly timings: Timings | null;
}

export async function startEtcd({
  place,
  surroundings = loopback,
  ask = etcdStatus,
  folder,
  timings,
}: EtcdOptions): Promise<Cluster> {
  const ports = await freePorts(2 * serverNames.length);
  const url = (name: string, port = 0): string => `http://${surroundings.host(name)}:${port}`;
  const peers = serverNames.map((name, i) => `${name}=${url(name, ports[2 * i])}`).join(',');
  const processes = new Map<string, Foreign>();
  const start = (name: string): void => {
    const i = (serverNames as readonly string[]).indexOf(name);
    const [peer, client] = [url(name, ports[2 * i]), url(name, ports[2 * i + 1])];
    const options: Record<string, string> = {
      name,
      'data-dir': join(folder, name),
      'listen-peer-urls': peer,
      'initial-advertise-peer-urls': peer,
      'listen-client-urls': client,
      'advertise-client-urls': client,
      'initial-cluster': peers,
      'initial-cluster-state': 'new',
      logger: 'zap',
      'log-level': 'error',
      ...(timings === null
        ? {}
        : {
            'heartbeat-interval': String(timings.heartbeatMs),
            'election-timeout': String(timings.electionMs),
          }),
    };
    const args = Object.entries(options).map(([key, value]) => `--${key}=${value}`);
    processes.set(
      name,
      place.startForeign(
        `etcd ${name}`,
        'etcd',
        args,
        (error) => {
          throw error;
        },
        { prefix: surroundings.prefix(name) },
      ),
    );
  };
  const servers = Object.fromEntries(
    serverNames.map((name, i) => [name, { host: surroundings.host(name), port: ports[2 * i + 1] ?? 0 }]),
  );
  for (const name of serverNames) start(name);
  return {
    servers,
    leader: async () => {
      const names = new Map<string, string>();
      const id = await agreed(() =>
        Promise.all(
          serverNames.map(async (name) => {
            const { member, leader } = await ask(servers[name] as Address);
            names.set(member, name);
            return leader;
          }),
        ),
      );
      return names.get(id) as string;
    },
    kill: (name) => (processes.get(name) as Foreign).kill('SIGKILL'),
    restart: async (name) => start(name),
    stop: async () => {
      await Promise.all([...processes.values()].map((one) => one.kill('SIGKILL')));
    },
    cpuUs: async () => sum(await Promise.all([...processes.values()].map(({ pid }) => cpuOfProcess(pid)))),
    profiled: notProfiled,
  };
}

/** From Linux, in steps of its clock tick of 10 ms; elsewhere unknown. */
async function cpuOfProcess(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name in brackets may hold spaces; user and system time are the 12th and 13th fields after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

export interface BareOptions {
  readonly place: Workplace;
  readonly program: string;
  readonly identities: Readonly<Record<string, Place>>;
  readonly folder: string;
}

/** The first leads, for good. */
export async function startBare({ place, program, identities, folder }: BareOptions): Promise<Cluster> {
  const remotes = serverNames.map((name) => place.start(`bare ${name}`, program, [], { core: null }));
  const options = (name: string, followers: readonly Address[]): unknown => ({
    place: identities[name],
    file: join(folder, `${name}.log`),
    followers,
  });
  const followers = await Promise.all(
    [1, 2].map((i) => (remotes[i] as Remote).call<Address>('follow', options(serverNames[i] as string, []))),
  );
  const leader = await (remotes[0] as Remote).call<Address>('lead', options(serverNames[0], followers));
  const fixed = (): Promise<never> => Promise.reject(new Error('the bare loop has no elections'));
  return {
    servers: { [serverNames[0]]: leader },
    leader: async () => serverNames[0],
    kill: fixed,
    restart: fixed,
    stop: async () => {
      await Promise.all(remotes.map((remote) => remote.kill('SIGKILL')));
    },
    cpuUs: () => cpuOf(remotes),
    profiled: notProfiled,
  };
}
