/**
 * The load: a process of its own that speaks to the cluster over the network only, with a certificate of role `client`.
 *
 * Open loop: writes and reads start at a fixed rate whatever the cluster does, with a bound on what is under way; a client that waits
 * for its answers would fall silent during the very interruption it should measure.
 */
import { readFileSync } from 'node:fs';
import { ClusterError, describeError } from '@cluster/core';
import { ClusterClient } from '@cluster/manager/node';
import {
  type AcknowledgedWrite,
  type ClientConfig,
  type FromClient,
  type ToClient,
  wallNowMs,
} from './protocol.ts';

const inFlightMax = 128;
const tickMs = 10;
const reportMs = 200;
const callTimeoutMs = 15_000;

const tell = (message: FromClient): void => {
  if (process.connected) process.send?.(message);
};

process.on('disconnect', () => process.exit(0));

class Load {
  readonly #client: ClusterClient;
  readonly #config: ClientConfig;
  #acknowledged: AcknowledgedWrite[] = [];
  #nextId = 1;
  #newest = 0;
  #reads = 0;
  #failed = 0;
  #inFlight = 0;
  #lastError: string | null = null;
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(client: ClusterClient, config: ClientConfig) {
    this.#client = client;
    this.#config = config;
  }

  async start(): Promise<void> {
    await this.#client.query(
      'CREATE TABLE IF NOT EXISTS ledger (id INTEGER PRIMARY KEY, amount INTEGER NOT NULL)',
      {
        timeoutMs: callTimeoutMs,
      },
    );
    const { writesPerSecond, readsPerSecond } = this.#config;
    this.#every(writesPerSecond, () => void this.#write());
    this.#every(readsPerSecond, () => void this.#read());
    this.#timers.push(setInterval(() => this.#report(), reportMs));
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    while (this.#inFlight > 0) {
      await new Promise((resolve) => {
        setTimeout(resolve, tickMs);
      });
    }
    this.#report();
  }

  #every(perSecond: number, run: () => void): void {
    const begin = performance.now();
    let started = 0;
    const timer = setInterval(() => {
      const due = Math.floor(((performance.now() - begin) * perSecond) / 1000);
      for (; started < due; started++) if (this.#inFlight < inFlightMax) run();
    }, tickMs);
    this.#timers.push(timer);
  }

  async #write(): Promise<void> {
    const id = this.#nextId++;
    const startedMs = wallNowMs();
    const written = await this.#call('INSERT INTO ledger (id, amount) VALUES (?, ?)', [id, id % 100]);
    if (!written) return;
    this.#newest = Math.max(this.#newest, id);
    this.#acknowledged.push({ id, startedMs, acknowledgedMs: wallNowMs() });
  }

  async #read(): Promise<void> {
    const id = 1 + Math.floor(Math.random() * Math.max(1, this.#newest));
    if (await this.#call('SELECT amount FROM ledger WHERE id = ?', [id])) this.#reads++;
  }

  async #call(sql: string, params: readonly number[]): Promise<boolean> {
    this.#inFlight++;
    try {
      await this.#client.query(sql, { params, timeoutMs: callTimeoutMs });
      return true;
    } catch (error) {
      this.#failed++;
      this.#lastError = describeError(error);
      return false;
    } finally {
      this.#inFlight--;
    }
  }

  #report(): void {
    const writes = this.#acknowledged;
    this.#acknowledged = [];
    tell({ kind: 'progress', writes, reads: this.#reads, failed: this.#failed, lastError: this.#lastError });
  }
}

async function main(): Promise<void> {
  const config = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as ClientConfig;
  const client = await ClusterClient.connect({
    clusterName: config.clusterName,
    tls: config.tls,
    nodes: config.nodes,
  });
  const load = new Load(client, config);
  process.on('message', (message: ToClient) => {
    if (message.kind === 'start') load.start().catch(fail);
    else {
      load
        .stop()
        .then(() => client.close())
        .then(() => tell({ kind: 'stopped' }))
        .catch(fail)
        .finally(() => process.disconnect());
    }
  });
  tell({ kind: 'ready' });
}

const fail = (error: unknown): void => {
  tell({ kind: 'failed', line: ClusterError.is(error) ? error.line : describeError(error) });
};

main().catch(fail);
