/** A contender's two processes: one serves, the other loads it, each on a core of its own. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Address } from '@cluster/core';
import { createAuthority, issueClientCertificate, issueNodeCertificate } from '@cluster/manager/certificates';
import type { Remote } from '../process/remote.ts';
import type { Workplace } from '../process/workplace.ts';
import { type Listening, type Place, serverId } from './contender.ts';
import type { Load, LoadResult } from './load.ts';

export interface TransportPrograms {
  readonly server: string;
  readonly client: string;
}

export interface Identities {
  readonly server: Place;
  readonly client: Place;
  /** Clients that only dial. */
  readonly idle: readonly Place[];
}

const clusterName = 'bench';

export async function issueIdentities(idle: number): Promise<Identities> {
  const authority = await createAuthority();
  const node = async (nodeId: string): Promise<Place> => ({
    clusterName,
    role: 'node',
    nodeId,
    tls: await issueNodeCertificate(authority, { clusterName, nodeId }),
  });
  const client = async (clientId: string): Promise<Place> => ({
    clusterName,
    role: 'client',
    nodeId: clientId,
    tls: await issueClientCertificate(authority, { clusterName, clientId }),
  });
  return {
    server: await node(serverId),
    client: await node('loader'),
    idle: await Promise.all(Array.from({ length: idle }, (_, i) => client(`idle-${i}`))),
  };
}

export interface RunResult extends LoadResult {
  /** What a message or request has cost both processes of their cores: less shaken than time when others are at work. */
  readonly cpuUs: number;
}

/** Of one connection. */
export interface IdleCost {
  readonly serverBytes: number;
  /** What keeping it takes of the cores, in µs a second. */
  readonly serverCpu: number;
  readonly bothCpu: number;
}

export interface PairOptions {
  readonly identities: Identities;
  readonly nodeFlags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export class Pair {
  readonly #server: Remote;
  readonly #client: Remote;
  readonly #address: Address;

  private constructor(server: Remote, client: Remote, address: Address) {
    this.#server = server;
    this.#client = client;
    this.#address = address;
  }

  static async start(
    place: Workplace,
    { server, client }: TransportPrograms,
    name: string,
    { identities, ...how }: PairOptions,
  ): Promise<Pair> {
    const serving = place.start(`${name} (server)`, server, [name], { core: 0, ...how });
    const loading = place.start(`${name} (client)`, client, [name], { core: 1, ...how });
    const { address } = await serving.call<Listening>('listen', identities.server);
    return new Pair(serving, loading, address);
  }

  async connect({ client }: Identities): Promise<this> {
    await this.#client.call('connect', { place: client, server: this.#address });
    return this;
  }

  /** @param profile where both processes write a CPU profile of the run: the beginning of the files' names. */
  async run(load: Load, profile: string | null = null): Promise<RunResult> {
    const before = await this.#cpuUs();
    const file = (side: string): string | null => (profile === null ? null : `${profile}-${side}.cpuprofile`);
    const result = await this.#server.profiled(file('server'), () =>
      this.#client.profiled(file('client'), () => this.#client.call<LoadResult>('run', load)),
    );
    return { ...result, cpuUs: ((await this.#cpuUs()) - before) / result.operations };
  }

  async #cpuUs(): Promise<number> {
    return (await this.#server.call<number>('cpuUs')) + (await this.#client.call<number>('cpuUs'));
  }

  async idle({ idle }: Identities, watchMs: number): Promise<IdleCost> {
    // The first ones pay for what is set up once.
    const few = Math.ceil(idle.length / 5);
    await this.#client.call('idle', { places: idle.slice(0, few), server: this.#address });
    const before = await this.#server.call<number>('memory');
    await this.#client.call('idle', { places: idle.slice(few), server: this.#address });
    const after = await this.#server.call<number>('memory');
    const startMs = performance.now();
    const used = [
      await this.#server.call<number>('cpuUs'),
      await this.#client.call<number>('cpuUs'),
    ] as const;
    await sleep(watchMs);
    const serverUs = (await this.#server.call<number>('cpuUs')) - used[0];
    const clientUs = (await this.#client.call<number>('cpuUs')) - used[1];
    const connectionSeconds = ((performance.now() - startMs) / 1000) * idle.length;
    return {
      serverBytes: (after - before) / (idle.length - few),
      serverCpu: serverUs / connectionSeconds,
      bothCpu: (serverUs + clientUs) / connectionSeconds,
    };
  }

  async stop(): Promise<void> {
    await Promise.all([this.#client.kill(), this.#server.kill()]);
  }
}
