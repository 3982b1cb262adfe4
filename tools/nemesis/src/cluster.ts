/** A cluster of real processes, and what can be done to it. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Address, ClusterError } from '@cluster/core';
import {
  type CertificateAndKey,
  createAuthority,
  issueClientCertificate,
  issueNodeCertificate,
} from '@cluster/manager/certificates';
import { agreement } from './agreement.ts';
import type { Network } from './network.ts';
import type { Process, Processes } from './processes.ts';
import type {
  ClientConfig,
  FromClient,
  FromNode,
  NodeConfig,
  NodeStatus,
  PlantedBug,
  ToClient,
  ToNode,
} from './programs/protocol.ts';
import type { Programs } from './programs.ts';

export interface ClusterOptions {
  readonly nodeIds: readonly string[];
  /** For certificates and logs. */
  readonly folder: string;
  readonly programs: Programs;
  readonly processes: Processes;
  /** Null: everything is on loopback. */
  readonly network: Network | null;
  /** Whether leaders may answer from a lease, and half of the clients ask them to. */
  readonly leaseReads: boolean;
  readonly bug: PlantedBug | null;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

export type Load = Pick<ClientConfig, 'history' | 'counters' | 'seed' | 'clients' | 'countingClients'>;

interface RunningNode {
  readonly process: Process<ToNode, FromNode>;
  address: Address | null;
  status: NodeStatus | null;
  digest: Extract<FromNode, { kind: 'digest' }> | null;
  /** For its digest, and has not answered. */
  asked: boolean;
  paused: boolean;
}

const clusterName = 'nemesis';
const clientName = 'client';
/** In namespaces of our own every port is free. */
const networkPort = 7000;
const lookEveryMs = 10;
const boundsMs = { start: 30_000, leader: 30_000, write: 30_000, finish: 180_000, agree: 60_000 };

export class Cluster {
  readonly nodeIds: readonly string[];
  readonly #options: ClusterOptions;
  readonly #nodes = new Map<string, RunningNode>();
  #authority: CertificateAndKey | null = null;
  #client: Process<ToClient, FromClient> | null = null;
  #acknowledged = 0;
  #leaseReads = 0;
  #kills = 0;
  #nodesKilled = 0;
  #finished = false;
  #died: string | null = null;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.nodeIds = options.nodeIds;
  }

  get network(): Network | null {
    return this.#options.network;
  }

  /** Moments at which SIGKILL has struck. */
  get kills(): number {
    return this.#kills;
  }

  /** Processes that it has ended: several may die at the same moment. */
  get nodesKilled(): number {
    return this.#nodesKilled;
  }

  /** Reads that were answered from a lease. */
  get leaseReads(): number {
    return this.#leaseReads;
  }

  say(text: string): void {
    this.#options.say(text);
  }

  /** Starts all nodes; done when one leads. */
  async assemble(): Promise<void> {
    const authority = await createAuthority({ name: 'nemesis authority' });
    this.#authority = authority;
    for (const nodeId of this.nodeIds) {
      const { network, folder, leaseReads, bug } = this.#options;
      const config: NodeConfig = {
        nodeId,
        clusterName,
        voters: this.nodeIds,
        bind:
          network === null
            ? { host: '127.0.0.1', port: 0 }
            : { host: network.host(nodeId), port: networkPort },
        dataDir: join(folder, nodeId),
        tls: await issueNodeCertificate(authority, { clusterName, nodeId }),
        leaseReads,
        bug,
        // One node keeps the default; the others go on to new segments all the time.
        wal: nodeId === this.nodeIds[0] ? {} : { segmentBytes: 256 * 1024, growthBytes: 64 * 1024 },
      };
      await writeFile(this.#configFile(nodeId), JSON.stringify(config), { mode: 0o600 });
    }
    await Promise.all(this.nodeIds.map((nodeId) => this.start(nodeId)));
    await this.leader();
  }

  /** Starts the clients; done when the first write is acknowledged. */
  async startLoad(load: Load): Promise<void> {
    const { folder, processes, programs, network, leaseReads } = this.#options;
    const authority = this.#authority;
    if (authority === null) throw new Error('The cluster is assembled before there is load.');
    const tls = await issueClientCertificate(authority, { clusterName, clientId: 'nemesis' });
    const config: ClientConfig = { ...load, leaseReads, clusterName, nodeIds: this.nodeIds, tls };
    const file = join(folder, 'client.json');
    await writeFile(file, JSON.stringify(config), { mode: 0o600 });
    const client = processes.start<ToClient, FromClient>(
      'the client process',
      [programs.client, file],
      (line) => this.#fail(line),
      network?.prefix(clientName),
    );
    this.#client = client;
    let ready = false;
    client.onMessage((message) => {
      if (message.kind === 'ready') ready = true;
      if (message.kind === 'progress') this.#acknowledged = message.acknowledgedWrites;
      if (message.kind === 'finished') {
        client.letGo();
        this.#finished = true;
      }
      if (message.kind === 'failed') this.#fail(`the client process: ${message.line}`);
    });
    await this.#until('the clients start', () => ready, boundsMs.start);
    this.#tellAddresses();
    client.send({ kind: 'start' });
    await this.writesGoOn();
  }

  /** Starts a node on whatever its folder holds; done when it listens. */
  async start(nodeId: string): Promise<void> {
    this.launch(nodeId);
    await this.#listens(nodeId);
  }

  async #listens(nodeId: string): Promise<void> {
    const node = this.#nodes.get(nodeId);
    await this.#until(
      `${nodeId} listens`,
      () => node?.address !== null || !node.process.running,
      boundsMs.start,
    );
  }

  /** Starts a node, and leaves it to itself. */
  launch(nodeId: string): void {
    const { processes, programs, network } = this.#options;
    const process = processes.start<ToNode, FromNode>(
      nodeId,
      [programs.node, this.#configFile(nodeId)],
      (line) => this.#fail(line),
      network?.prefix(nodeId),
    );
    const node: RunningNode = {
      process,
      address: null,
      status: null,
      digest: null,
      asked: false,
      paused: false,
    };
    this.#nodes.set(nodeId, node);
    process.onMessage((message) => {
      if (message.kind === 'ready') {
        node.address = message.address;
        this.#tellAddresses();
      }
      if (message.kind === 'status') {
        this.#leaseReads += message.status.leaseReads - (node.status?.leaseReads ?? 0);
        node.status = message.status;
      }
      if (message.kind === 'digest') {
        node.digest = message;
        node.asked = false;
      }
      if (message.kind === 'failed') this.#fail(`${nodeId}: ${message.line}`);
    });
  }

  /** Ends them at once, without a chance to say or write anything; done when they are gone. */
  async kill(...nodeIds: readonly string[]): Promise<void> {
    const running = nodeIds.flatMap((nodeId) => {
      const process = this.#nodes.get(nodeId)?.process;
      return process?.running === true ? [process] : [];
    });
    if (running.length === 0) return;
    for (const process of running) process.kill('SIGKILL');
    this.#kills++;
    this.#nodesKilled += running.length;
    await Promise.all(running.map(({ exited }) => exited));
  }

  pause(nodeId: string): void {
    const node = this.#nodes.get(nodeId);
    if (node === undefined) return;
    node.process.kill('SIGSTOP');
    node.paused = true;
  }

  resume(nodeId: string): void {
    const node = this.#nodes.get(nodeId);
    if (node === undefined) return;
    node.process.kill('SIGCONT');
    node.paused = false;
  }

  /** The leader by its own word, of the highest term; waits until there is one. */
  async leader(): Promise<string> {
    const find = (): string | undefined => {
      let found: { readonly nodeId: string; readonly term: number } | undefined;
      for (const [nodeId, { process, status, paused }] of this.#nodes) {
        if (!process.running || paused || status?.role !== 'leader') continue;
        if (found === undefined || status.term > found.term) found = { nodeId, term: status.term };
      }
      return found?.nodeId;
    };
    await this.#until('somebody leads', () => find() !== undefined, boundsMs.leader);
    return find() ?? '';
  }

  /** Ends every fault; done when all nodes listen again. */
  async mend(): Promise<void> {
    await this.network?.heal();
    for (const [nodeId, { process, paused }] of this.#nodes) {
      if (!process.running) this.launch(nodeId);
      else if (paused) this.resume(nodeId);
    }
    await Promise.all(this.nodeIds.map((nodeId) => this.#listens(nodeId)));
  }

  /** Done when one more write has been acknowledged. */
  async writesGoOn(): Promise<void> {
    const before = this.#acknowledged;
    await this.#until('a write is acknowledged', () => this.#acknowledged > before, boundsMs.write);
  }

  /** The clients end what is under way, and read everything once more. */
  async finishLoad(): Promise<void> {
    this.#client?.send({ kind: 'finish' });
    await this.#until('the clients have read everything once more', () => this.#finished, boundsMs.finish);
  }

  /** Done when all have applied the same log; says whether all hold the same. */
  async replicasAgree(): Promise<boolean> {
    const nodes = [...this.#nodes.values()];
    let agreed: boolean | null = null;
    await this.#until(
      'all nodes have applied the same log',
      () => {
        agreed = agreement(nodes, ({ process }) => process.send({ kind: 'digest' }));
        return agreed !== null;
      },
      boundsMs.agree,
      () => {
        const said = [...this.#nodes].map(([id, { status, digest }]) => [id, { ...status, ...digest }]);
        return ` They say: ${JSON.stringify(Object.fromEntries(said))}`;
      },
    );
    return agreed === true;
  }

  async stop(): Promise<void> {
    const running = [...this.#nodes.values()].filter(({ process }) => process.running);
    for (const { process } of running) {
      process.letGo();
      process.send({ kind: 'stop' });
    }
    await this.#until('the nodes stop', () => running.every((one) => !one.process.running), boundsMs.start);
  }

  /** Waits, unless something dies meanwhile that should not. */
  async sleep(ms: number): Promise<void> {
    const end = performance.now() + ms;
    await this.#until('time passes', () => performance.now() >= end, ms + boundsMs.start);
  }

  #configFile(nodeId: string): string {
    return join(this.#options.folder, `${nodeId}.json`);
  }

  #tellAddresses(): void {
    const addresses = Object.fromEntries(
      [...this.#nodes].flatMap(([nodeId, { address, process }]) =>
        address !== null && process.running ? [[nodeId, address]] : [],
      ),
    );
    for (const { process } of this.#nodes.values()) process.send({ kind: 'addresses', addresses });
    this.#client?.send({ kind: 'addresses', addresses });
  }

  #fail(line: string): void {
    this.#died ??= line;
  }

  /** @param seen what there is instead, for the error. */
  async #until(
    what: string,
    ready: () => boolean,
    timeoutMs: number,
    seen: () => string = () => '',
  ): Promise<void> {
    const { signal } = this.#options;
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      signal.throwIfAborted();
      if (this.#died !== null) throw failed(this.#died);
      if (ready()) return;
      if (performance.now() > deadline)
        throw failed(
          `Waited ${Math.round(timeoutMs / 1000)} s for this and it did not happen: ${what}.${seen()}`,
        );
      await new Promise((resolve) => {
        setTimeout(resolve, lookEveryMs);
      });
    }
  }
}

const failed = (message: string): ClusterError =>
  new ClusterError({
    code: 'NEMESIS_CLUSTER_FAILED',
    fault: 'environment',
    message,
    advice: 'The history shows what the clients saw until then.',
  });
