/** One node of the demo's cluster, as a process of its own. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ClusterError, describeError } from '@cluster/core';
import type { ClusterEvent } from '@cluster/manager';
import { ClusterNetworkManager } from '@cluster/manager/node';
import { type FromNode, type NodeConfig, type NodeStatus, type ToNode, wallNowMs } from './protocol.ts';
import { LibsqlDatabase } from './sql/database.ts';

const tell = (message: FromNode): void => {
  if (process.connected) process.send?.(message);
};

/** A demo that is killed must not leave nodes behind. */
process.on('disconnect', () => process.exit(0));

async function main(): Promise<void> {
  const config = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as NodeConfig;
  const database = new LibsqlDatabase(
    join(config.dataDir, 'sql', 'data.db'),
    pathToFileURL(config.sqlWorker),
  );
  const manager = await ClusterNetworkManager.create({
    nodeId: config.nodeId,
    clusterName: config.clusterName,
    bind: config.bind,
    tls: config.tls,
    gossipKeys: config.gossipKeys,
    dataDir: config.dataDir,
    voters: config.voters,
    datacenter: 'loopback',
    rack: config.rack,
    database,
  });
  void feed(manager);
  await manager.start();
  tell({ kind: 'ready', gossip: manager.gossipAddress, transport: manager.transportAddress });
  if (config.seeds.length > 0) await manager.joinCluster(config.seeds);
  tell({ kind: 'joined' });
  const ticker = setInterval(() => tell({ kind: 'status', status: status(manager) }), 200);
  process.on('message', (_stop: ToNode) => {
    clearInterval(ticker);
    void stop(manager, database);
  });
}

async function stop(manager: ClusterNetworkManager, database: LibsqlDatabase): Promise<void> {
  await manager.leave();
  await manager.stop();
  await database.close();
  process.exit(0);
}

function status(manager: ClusterNetworkManager): NodeStatus {
  const leadership = manager.leadership.status();
  return {
    nodeId: manager.nodeId,
    role: leadership.role,
    term: leadership.term,
    leaderId: leadership.leaderId,
    commitIndex: leadership.commitIndex,
    appliedIndex: leadership.appliedIndex,
    queriesServed: manager.getAllMetrics().loadBalancer['queries_served'] ?? 0,
    members: Object.fromEntries(manager.getClusterMembers().map((member) => [member.id, member.state])),
  };
}

async function feed(manager: ClusterNetworkManager): Promise<void> {
  for await (const event of manager.subscribeToEvents()) {
    const { subject, text } = describe(event);
    tell({ kind: 'event', atMs: wallNowMs(), event: event.type, subject, text });
  }
}

function describe(event: ClusterEvent): { readonly subject: string; readonly text: string } {
  if ('node' in event) return { subject: event.node.id, text: `${event.node.id} is ${event.type}` };
  switch (event.type) {
    case 'LeaderChanged': {
      const { leaderId, term } = event;
      const text = leaderId === null ? `term ${term} has no leader yet` : `${leaderId} leads term ${term}`;
      return { subject: leaderId ?? '', text };
    }
    case 'RoleChanged':
      return { subject: '', text: `is ${event.role} in term ${event.term}` };
    case 'PeerUp':
      return { subject: event.nodeId, text: `is connected to ${event.nodeId}` };
    case 'PeerDown':
      return { subject: event.nodeId, text: `has lost ${event.nodeId}: ${event.reason}` };
    case 'LifecycleChanged':
      return { subject: '', text: `is ${event.state}` };
    case 'MetadataChanged':
      return {
        subject: event.nodeId,
        text: `${event.nodeId} ${event.value === null ? 'has deleted' : 'says'} ${event.key}`,
      };
    case 'RosterChanged':
      return { subject: '', text: `the voters are ${event.voters.join(', ')}` };
    case 'PartitionDetected':
    case 'PartitionHealed':
    case 'QuorumLost':
    case 'QuorumRegained':
      return { subject: '', text: `${event.type}, without ${event.missing.join(', ') || 'nobody'}` };
    case 'StoodDown':
      return { subject: '', text: `stands down: ${event.reason}` };
    case 'TakenOver':
      return { subject: '', text: `has taken over from ${event.nodeIds.join(', ')}` };
    case 'LogFailed':
      return { subject: '', text: event.error.line };
    case 'Overflow':
      return { subject: '', text: `${event.dropped} events were missed` };
  }
}

main().catch((error: unknown) => {
  tell({ kind: 'failed', line: ClusterError.is(error) ? error.line : describeError(error) });
  process.exitCode = 1;
  process.disconnect();
});
