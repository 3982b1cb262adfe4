// Real sockets and certificates, on loopback, several nodes in this process.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatAddress, silentLogger } from '@cluster/core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterEvent } from '../src/index.ts';
import { type CertificateAndKey, createAuthority, issueNodeCertificate } from '../src/node/authority.ts';
import { ClusterNetworkManager, type CreateOptions } from '../src/node.ts';

const clusterName = 'test';
const open: ClusterNetworkManager[] = [];
let authority: CertificateAndKey;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'manager-quorum-'));
  authority = await createAuthority();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.stop()));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const quorum = {
  beatPeriodMs: 100,
  quorumTtlMs: 800,
  stabilityMs: 200,
  minorityDelayMs: 200,
  leaseTimeoutMs: 2000,
  shrink: true,
  shrinkAfterMs: 200,
  rosterFloor: 3,
};

interface Node {
  readonly manager: ClusterNetworkManager;
  readonly events: ClusterEvent[];
}

async function start(nodeId: string, seed: Node | undefined, options: CreateOptions): Promise<Node> {
  const manager = await ClusterNetworkManager.create({
    nodeId,
    clusterName,
    tls: await issueNodeCertificate(authority, { clusterName, nodeId }),
    gossipKeys: [Buffer.alloc(32, 7).toString('base64')],
    logger: silentLogger,
    dataDir: join(folder, nodeId),
    swim: { probePeriodMs: 100, pingTimeoutMs: 50, suspectTimeoutMs: 500, gossipPeriodMs: 50 },
    messaging: { drainTimeoutMs: 100 },
    quorum,
    ...options,
  });
  open.push(manager);
  const events: ClusterEvent[] = [];
  void (async () => {
    for await (const event of manager.subscribeToEvents()) events.push(event);
  })();
  await manager.start();
  if (seed !== undefined) await manager.joinCluster([formatAddress(seed.manager.gossipAddress)]);
  return { manager, events };
}

async function eventually(claim: () => boolean, what: string): Promise<void> {
  const until = performance.now() + 15_000;
  while (!claim()) {
    if (performance.now() > until) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
}

const isWhole = ({ manager }: Node): boolean =>
  manager.quorum?.partition === 'rostered.whole' && manager.quorum.holdsQuorum;

describe('quorum under lease-majority, over the coordinator’s log', () => {
  it('is held by all, outlives a member, shrinks by it, and follows who is added and removed', async () => {
    const voters = ['n1', 'n2', 'n3'];
    const first = await start('n1', undefined, { voters });
    const nodes = [first, await start('n2', first, { voters }), await start('n3', first, { voters })];
    await eventually(() => nodes.every(isWhole), 'all hold quorum');
    const fourth = await start('n4', first, { voters: [] });
    expect(fourth.manager.quorum?.partition).toBe('joining');
    await first.manager.addNode({ id: 'n4' });
    nodes.push(fourth);
    await eventually(() => nodes.every(isWhole), 'the fourth holds it too');
    expect(fourth.manager.quorum?.roster.members).toEqual(['n1', 'n2', 'n3', 'n4']);

    const epoch = first.manager.quorum?.epoch ?? 0;
    await (open.splice(3, 1)[0] as ClusterNetworkManager).stop();
    const rest = nodes.slice(0, 3);
    await eventually(
      () =>
        rest.some(({ events }) =>
          events.some((one) => one.type === 'TakenOver' && one.nodeIds.join() === 'n4' && one.epoch > epoch),
        ),
      'what was the fourth’s may be taken over, under a higher epoch',
    );
    await eventually(() => rest.every(isWhole), 'it is taken off the roster, by agreement');
    const votersOf = ({ manager }: Node): string => manager.leadership.status().voters.join();
    await eventually(() => rest.every((node) => votersOf(node) === 'n1,n2,n3'), 'and votes no more');

    const [, second, third] = rest as [Node, Node, Node];
    await first.manager.removeNode('n3');
    await eventually(() => third.manager.quorum?.partition === 'joining', 'the third counts no more');
    expect([first, second].map(votersOf)).toEqual(['n1,n2', 'n1,n2']);

    // Without a majority nobody holds it for longer than the lease lasts.
    await (open.splice(1, 1)[0] as ClusterNetworkManager).stop();
    await eventually(() => first.manager.quorum?.holdsQuorum === false, 'quorum is lost');
    expect(first.manager.quorum?.permits('strict', 'write')).toEqual({ allowed: false, reason: 'no_quorum' });
    await eventually(() => first.events.some(({ type }) => type === 'StoodDown'), 'it stands down');
    const types = first.events.map(({ type }) => type);
    expect(types).toEqual(expect.arrayContaining(['QuorumRegained', 'PartitionDetected', 'QuorumLost']));
  }, 60_000);
});
