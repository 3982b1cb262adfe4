/**
 * The main job, played once: a cluster under load loses its leader and gets it back.
 *
 * Every act waits for what it wants to see, with a generous bound; passing the bound is a failure of completion. The times between are
 * told in the summary and decide nothing.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import type { Address } from '@cluster/core';
import { createAuthority, issueClientCertificate, issueNodeCertificate } from '@cluster/manager/certificates';
import { ClusterState } from './cluster-state.ts';
import { type Fleet, type FleetProcess, until } from './fleet.ts';
import { bundlePrograms, type Programs } from './programs.ts';
import {
  type ClientConfig,
  type FromClient,
  type FromNode,
  type NodeConfig,
  type ToClient,
  type ToNode,
  wallNowMs,
} from './protocol.ts';
import { judge, type Summary } from './summary.ts';
import { findLostWrites } from './verify.ts';
import type { View } from './view.ts';

export interface StoryOptions {
  readonly nodes: number;
  /** How long the load runs. */
  readonly seconds: number;
  readonly folder: string;
  readonly fleet: Fleet;
  readonly view: View;
  readonly signal: AbortSignal;
}

const clusterName = 'demo';
const writesPerSecond = 150;
const readsPerSecond = 300;
const bounds = { start: 30_000, agree: 30_000, write: 20_000, rejoin: 30_000, stop: 20_000 };

interface RunningNode {
  readonly config: NodeConfig;
  process: FleetProcess<ToNode, FromNode>;
  addresses: { readonly gossip: Address; readonly transport: Address } | null;
  joined: boolean;
}

const text = ({ host, port }: Address): string => `${host}:${port}`;

export class Story {
  readonly state: ClusterState;
  readonly #options: StoryOptions;
  readonly #nodes = new Map<string, RunningNode>();
  readonly #failures: string[] = [];
  #programs: Programs | null = null;
  #client: FleetProcess<ToClient, FromClient> | null = null;
  #clientConfig: ClientConfig | null = null;
  #died: string | null = null;

  constructor(options: StoryOptions) {
    this.#options = options;
    const ids = Array.from({ length: options.nodes }, (_, i) => `n${i + 1}`);
    this.state = new ClusterState(ids, (line) => options.view.feed(line));
  }

  /** Certificates, a gossip key, processes; done when all see all alive and one leads. */
  async assemble(): Promise<void> {
    const { folder, view } = this.#options;
    view.act('making an authority, certificates and a gossip key');
    const [programs, authority] = await Promise.all([
      bundlePrograms(join(folder, 'programs')),
      createAuthority({ name: 'demo authority' }),
    ]);
    this.#programs = programs;
    const gossipKeys = [randomBytes(32).toString('base64')];
    const { nodeIds } = this.state;
    view.act(`starting ${nodeIds.length} processes`);
    const configs = await Promise.all(
      nodeIds.map(async (nodeId, i): Promise<NodeConfig> => {
        const tls = await issueNodeCertificate(authority, { clusterName, nodeId });
        return {
          nodeId,
          clusterName,
          bind: { host: '127.0.0.1', port: 0 },
          seeds: [],
          voters: nodeIds,
          tls,
          gossipKeys,
          dataDir: join(folder, nodeId),
          rack: `rack-${(i % 3) + 1}`,
          sqlWorker: programs.sqlWorker,
        };
      }),
    );
    const [first, ...others] = configs;
    if (first === undefined) return;
    await this.#startNode(first);
    const seed = await this.#gossipAddress(first.nodeId);
    await Promise.all(others.map((config) => this.#startNode({ ...config, seeds: [text(seed)] })));
    await this.#until(
      'all nodes see all nodes alive',
      () => this.state.agree(nodeIds, nodeIds, ['Alive']),
      bounds.start,
    );
    await this.#until('a leader is elected', () => this.state.leader !== null, bounds.start);
    const tls = await issueClientCertificate(authority, { clusterName, clientId: 'load' });
    const nodes = [...this.#nodes.values()].flatMap(({ config, addresses }) =>
      addresses ? [{ nodeId: config.nodeId, address: addresses.transport }] : [],
    );
    this.#clientConfig = { clusterName, tls, nodes, writesPerSecond, readsPerSecond };
  }

  /** Load, kill, recovery, restart, check. Never throws for what did not hold: the summary says it. */
  async play(): Promise<Summary> {
    const { view, seconds } = this.#options;
    const began = performance.now();
    const times = { firstSuspicionMs: null, allAgreeMs: null, firstWriteMs: null, rejoinMs: null } as {
      -readonly [K in 'firstSuspicionMs' | 'allAgreeMs' | 'firstWriteMs' | 'rejoinMs']: Summary[K];
    };
    let lost = 0;
    const elapsed = (): number => performance.now() - began;
    await this.#attempt(async () => {
      await this.#startLoad();
      view.act('writes and reads are running');
      await this.#pause(Math.max(2000, seconds * 250) - elapsed());
      const victim = this.state.leader ?? this.state.nodeIds[0] ?? '';
      const killedMs = wallNowMs();
      this.#kill(victim);
      await this.#recover(victim, killedMs, times);
      await this.#pause(seconds * 650 - elapsed());
      times.rejoinMs = await this.#restart(victim);
      view.act(`${victim} is back and has caught up`);
      await this.#pause(seconds * 1000 - elapsed());
    });
    await this.#attempt(() => this.#stopLoad());
    await this.#attempt(async () => {
      view.act('reading every acknowledged write back from every node');
      lost = await this.#verify();
    });
    return judge({
      nodes: this.state.nodeIds.length,
      ...times,
      writesAcknowledged: this.state.writes.length,
      acknowledgedWritesLost: lost,
      queriesServed: this.state.queriesServed,
      queriesFailed: this.state.failed,
      peakMemoryMb: this.#options.fleet.peakMemoryMb,
      failures: this.#failures,
      lastError: this.state.lastError,
    });
  }

  /** What a client needs to reach this cluster. */
  get clientConfig(): ClientConfig | null {
    return this.#clientConfig;
  }

  async #startNode(config: NodeConfig): Promise<void> {
    const { folder, fleet } = this.#options;
    const file = join(folder, `${config.nodeId}.json`);
    await mkdir(folder, { recursive: true });
    await writeFile(file, JSON.stringify(config), { mode: 0o600 });
    const process = fleet.start<ToNode, FromNode>(
      config.nodeId,
      this.#programs?.node ?? '',
      [file],
      (line) => {
        this.#died ??= line;
      },
    );
    const node: RunningNode = { config, process, addresses: null, joined: false };
    this.#nodes.set(config.nodeId, node);
    process.onMessage((message) => {
      if (message.kind === 'ready') node.addresses = { gossip: message.gossip, transport: message.transport };
      if (message.kind === 'joined') node.joined = true;
      if (message.kind === 'failed') this.#died ??= `${config.nodeId}: ${message.line}`;
      if (this.#nodes.get(config.nodeId) === node && process.running)
        this.state.takeNode(config.nodeId, message, wallNowMs());
    });
  }

  async #gossipAddress(nodeId: string): Promise<Address> {
    const ready = (): Address | undefined => this.#nodes.get(nodeId)?.addresses?.gossip;
    await this.#until(`${nodeId} listens`, () => ready() !== undefined, bounds.start);
    return ready() as Address;
  }

  async #startLoad(): Promise<void> {
    const { folder, fleet } = this.#options;
    const file = join(folder, 'client.json');
    await writeFile(file, JSON.stringify(this.#clientConfig), { mode: 0o600 });
    const client = fleet.start<ToClient, FromClient>(
      'client',
      this.#programs?.client ?? '',
      [file],
      (line) => {
        this.#died ??= line;
      },
    );
    this.#client = client;
    let ready = false;
    client.onMessage((message) => {
      if (message.kind === 'ready') ready = true;
      if (message.kind === 'failed') this.#died ??= `client: ${message.line}`;
      this.state.takeClient(message);
    });
    await this.#until('the client connects', () => ready, bounds.start);
    client.send({ kind: 'start' });
    await this.#until('the first write is acknowledged', () => this.state.writes.length > 0, bounds.write);
  }

  async #stopLoad(): Promise<void> {
    const client = this.#client;
    if (client === null || !client.running) return;
    client.send({ kind: 'stop' });
    await this.#until('the client finishes what it has begun', () => !client.running, bounds.stop);
  }

  #kill(nodeId: string): void {
    this.#options.view.act(`killing the leader ${nodeId} with SIGKILL`);
    this.#nodes.get(nodeId)?.process.kill('SIGKILL');
    this.state.lose(nodeId);
  }

  async #recover(
    victim: string,
    killedMs: number,
    times: { firstSuspicionMs: number | null; allAgreeMs: number | null; firstWriteMs: number | null },
  ): Promise<void> {
    const survivors = this.state.nodeIds.filter((id) => id !== victim);
    const since = (atMs: number | undefined): number | null =>
      atMs === undefined ? null : Math.round(atMs - killedMs);
    const firstWrite = (): number | undefined => this.state.firstWriteMs(killedMs);
    await this.#until('a write is accepted after the kill', () => firstWrite() !== undefined, bounds.write);
    times.firstWriteMs = since(firstWrite());
    this.#options.view.act(
      `${this.state.leader ?? 'a new leader'} leads; waiting for the survivors to agree that ${victim} is dead`,
    );
    const agreed = (): number | undefined => this.state.lastObserverMs(['Dead'], victim, survivors, killedMs);
    await this.#until(`all survivors hold ${victim} dead`, () => agreed() !== undefined, bounds.agree);
    times.allAgreeMs = since(agreed());
    times.firstSuspicionMs = since(this.state.firstEventMs(['Suspect', 'Dead'], victim, killedMs));
  }

  /** Starts the node again on its own data; resolves with the time until it is alive for all and caught up. */
  async #restart(victim: string): Promise<number> {
    const { view } = this.#options;
    const old = this.#nodes.get(victim);
    const { nodeIds } = this.state;
    const seeds = [...this.#nodes.values()].flatMap(({ config, addresses }) =>
      config.nodeId !== victim && addresses ? [text(addresses.gossip)] : [],
    );
    if (old === undefined) return 0;
    view.act(`restarting ${victim} on its own data`);
    const restartedMs = wallNowMs();
    const target = Math.max(...[...this.state.status.values()].map((status) => status.commitIndex));
    await this.#startNode({ ...old.config, bind: old.addresses?.gossip ?? old.config.bind, seeds });
    await this.#until(
      `${victim} is alive for all and has applied index ${target}`,
      () =>
        this.state.agree(nodeIds, nodeIds, ['Alive']) &&
        (this.state.status.get(victim)?.appliedIndex ?? 0) >= target,
      bounds.rejoin,
    );
    return Math.round(wallNowMs() - restartedMs);
  }

  async #verify(): Promise<number> {
    const commit = (): number =>
      Math.max(...[...this.state.status.values()].map((status) => status.commitIndex));
    const target = commit();
    await this.#until(
      `every node has applied index ${target}`,
      () => this.state.nodeIds.every((id) => (this.state.status.get(id)?.appliedIndex ?? 0) >= target),
      bounds.rejoin,
    );
    const config = this.#clientConfig;
    if (config === null) return this.state.writes.length;
    // The victim may listen elsewhere since its restart.
    const nodes = [...this.#nodes.values()].flatMap(({ config: { nodeId }, addresses }) =>
      addresses ? [{ nodeId, address: addresses.transport }] : [],
    );
    return findLostWrites(
      { ...config, nodes },
      this.state.writes.map((write) => write.id),
    );
  }

  async #attempt(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.#options.signal.throwIfAborted();
      this.#failures.push(error instanceof Error ? error.message : String(error));
    }
  }

  async #pause(ms: number): Promise<void> {
    const end = performance.now() + ms;
    await this.#until('the pause ends', () => performance.now() >= end, ms + 5000);
  }

  #until(what: string, ready: () => boolean, timeoutMs: number): Promise<void> {
    return until(
      what,
      () => {
        if (this.#died !== null) throw new Error(this.#died);
        return ready();
      },
      timeoutMs,
      this.#options.signal,
    );
  }
}
