/** All clients, in one process that speaks to the nodes over the network with a certificate of role `client`. */
import { createWriteStream, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { type Address, ClusterError, describeError } from '@cluster/core';
import { startTransport } from '@cluster/transport/node';
import { formatOperation, type Operation } from '../history/operation.ts';
import type { Journal } from './clients.ts';
import { Gateway } from './gateway.ts';
import type { ClientConfig, FromClient, ToClient } from './protocol.ts';
import { Workload } from './workload.ts';

const progressEveryMs = 50;

const tell = (message: FromClient): void => {
  if (process.connected) process.send?.(message);
};

process.on('disconnect', () => process.exit());
// It may have died before this process could hear of it.
if (!process.connected) process.exit();

/** Writes the history as it happens: should this process die, what it saw is there. */
class HistoryFile implements Journal {
  readonly #stream: NodeJS.WritableStream;
  readonly #begin = process.hrtime.bigint();
  #clients = 0;

  constructor(path: string) {
    this.#stream = createWriteStream(path);
  }

  write(operation: Operation): void {
    this.#stream.write(formatOperation(operation));
  }

  newClient(): number {
    return ++this.#clients;
  }

  now(): number {
    return Number(process.hrtime.bigint() - this.#begin);
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#stream.end(resolve);
    });
  }
}

async function main(): Promise<void> {
  const config = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as ClientConfig;
  const { clusterName, nodeIds, tls, ...load } = config;
  const addresses = new Map<string, Address>();
  const transport = await startTransport(
    { nodeId: 'nemesis', clusterName, bind: null, tls },
    { directory: { lookup: (nodeId) => addresses.get(nodeId) } },
  );
  const gateway = new Gateway(transport, addresses);
  const journal = new HistoryFile(config.history);
  const workload = new Workload({ ...load, gateway, nodeIds, journal });
  const finish = async (): Promise<void> => {
    const counters = await workload.finish();
    await journal.close();
    await writeFile(config.counters, counters.map((line) => `${JSON.stringify(line)}\n`).join(''));
    await transport.close();
    tell({ kind: 'finished' });
    process.disconnect();
  };
  process.on('message', (message: ToClient) => {
    if (message.kind === 'addresses') gateway.setAddresses(message.addresses);
    else if (message.kind === 'start') workload.start();
    else finish().catch(fail);
  });
  setInterval(() => {
    const { acknowledgedWrites, unknown } = workload;
    tell({ kind: 'progress', acknowledgedWrites, unknown });
  }, progressEveryMs);
  tell({ kind: 'ready' });
}

function fail(error: unknown): void {
  tell({ kind: 'failed', line: ClusterError.is(error) ? error.line : describeError(error) });
  process.exitCode = 1;
  if (process.connected) process.disconnect();
}

main().catch(fail);
