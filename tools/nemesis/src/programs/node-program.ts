/** One node as a process of its own: a replica over the encrypted transport, its log on disk. */
import { readFileSync, rmSync } from 'node:fs';
import { type Address, ClusterError, describeError, MetricsRegistry } from '@cluster/core';
import { type Raft, raftCodecHash } from '@cluster/raft';
import { startRaft } from '@cluster/raft/node';
import type { Transport } from '@cluster/transport';
import { startTransport } from '@cluster/transport/node';
import {
  type Answer,
  decode,
  encode,
  raftType,
  type ReadResult,
  type Request,
  requestType,
  type WriteResult,
} from '../kv/commands.ts';
import { KeyValueStore } from '../kv/state-machine.ts';
import type { FromNode, NodeConfig, PlantedBug, ToNode } from './protocol.ts';

const statusEveryMs = 50;
/** Shorter than the client's patience, so that it hears what became of its request. */
const waitMs = 1500;

const tell = (message: FromNode): void => {
  if (process.connected) process.send?.(message);
};

// A nemesis that was killed must not leave nodes behind.
process.on('disconnect', () => process.exit());
// It may have died before this process could hear of it.
if (!process.connected) process.exit();

async function main(): Promise<void> {
  const config = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as NodeConfig;
  const { nodeId, clusterName, voters, bind, dataDir, wal, leaseReads, tls, bug } = config;
  if (bug === 'no-log') rmSync(dataDir, { recursive: true, force: true });
  const addresses = new Map<string, Address>();
  const transport = await startTransport(
    { nodeId, clusterName, bind, tls, codecHashes: { raft: raftCodecHash } },
    { directory: { lookup: (id) => addresses.get(id) } },
  );
  const store = new KeyValueStore();
  const metrics = new MetricsRegistry();
  const raft = await startRaft(
    // Small, so that a run goes through many snapshots, and a node that was stopped for long is sent one.
    { nodeId, voters: [...voters], dataDir, wal, leaseReads, snapshotEntries: 500, logTailEntries: 100 },
    { channel: raftChannel(transport), stateMachine: store, metrics },
  );
  transport.handle(
    requestType,
    async (bytes) => encode(await serve({ raft, store, bug }, decode<Request>(bytes))),
    {
      roles: ['client'],
    },
  );
  tell({ kind: 'ready', address: transport.local });
  process.on('message', (message: ToNode) => {
    if (message.kind === 'addresses')
      for (const [id, address] of Object.entries(message.addresses)) addresses.set(id, address);
    else if (message.kind === 'digest')
      tell({
        kind: 'digest',
        appliedIndex: raft.status().appliedIndex,
        digest: store.digest(),
        channels: transport.channels(),
      });
    else void stop(raft, transport);
  });
  setInterval(() => {
    const { role, term, leaderId, commitIndex, appliedIndex } = raft.status();
    const leaseReads = metrics.value('raft_lease_reads', { group: '0' });
    tell({ kind: 'status', status: { role, term, leaderId, commitIndex, appliedIndex, leaseReads } });
  }, statusEveryMs);
  for await (const event of raft.events()) if (event.type === 'Failed') throw event.error;
}

function raftChannel(transport: Transport): Parameters<typeof startRaft>[1]['channel'] {
  return {
    send: (to, bytes) => void transport.post(to, raftType, bytes, { priority: 'High' }),
    onMessage: (receive) =>
      transport.handle(raftType, (bytes, { from }) => receive(from, new Uint8Array(bytes)), {
        roles: ['node'],
      }),
    onPeerLost: (lost) =>
      void transport.onPeer(({ type, peer }) => {
        if (type === 'down') lost(peer);
      }),
  };
}

interface Served {
  readonly raft: Raft;
  readonly store: KeyValueStore;
  readonly bug: PlantedBug | null;
}

async function serve({ raft, store, bug }: Served, request: Request): Promise<Answer> {
  try {
    switch (request.type) {
      case 'openSession':
        return { ok: true, result: { clientId: await raft.openSession({ timeoutMs: waitMs }) } };
      case 'read':
        if (bug === 'stale-reads') return { ok: true, result: readStale(store, request.key) };
        // What was acknowledged before the question is applied here before the answer.
        await raft.read({ timeoutMs: waitMs, consistency: request.consistency });
        return { ok: true, result: { value: store.read(request.key), count: store.count(request.key) } };
      case 'write': {
        const { write, session } = request;
        const { result } = await raft.propose(encode(write), {
          session: bug === 'no-session' ? undefined : (session ?? undefined),
          timeoutMs: waitMs,
        });
        return { ok: true, result: decode<WriteResult>(result) };
      }
    }
  } catch (error) {
    if (ClusterError.is(error) && error.fault !== 'bug')
      return { ok: false, code: error.code, retry: error.retry };
    fail(error);
    throw error;
  }
}

const stale = new Map<string, { readonly result: ReadResult; readonly atMs: number }>();
const staleMs = 1000;

function readStale(store: KeyValueStore, key: string): ReadResult {
  const known = stale.get(key);
  const nowMs = performance.now();
  if (known !== undefined && nowMs - known.atMs < staleMs) return known.result;
  const result = { value: store.read(key), count: store.count(key) };
  stale.set(key, { result, atMs: nowMs });
  return result;
}

async function stop(raft: Raft, transport: Transport): Promise<void> {
  await raft.stop();
  await transport.close();
  process.exit(0);
}

function fail(error: unknown): void {
  tell({ kind: 'failed', line: ClusterError.is(error) ? error.line : describeError(error) });
  process.exitCode = 1;
  if (process.connected) process.disconnect();
}

main().catch(fail);
