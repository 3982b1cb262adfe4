import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatAddress, silentLogger } from '@cluster/core';
import { ClusterNetworkManager } from '../src/node.ts';
import { KvDatabase } from './kv-database.ts';
process.env['XDG_CACHE_HOME'] = await mkdtemp(join(tmpdir(), 'b-'));
const steps = Number(process.argv[2]);
const ids = ['n1', 'n2', 'n3'];
const nodes = await Promise.all(
  ids.map((nodeId) =>
    ClusterNetworkManager.create({
      nodeId,
      voters: ids,
      database: new KvDatabase(),
      logger: silentLogger,
      trace: { steps },
    }),
  ),
);
await Promise.all(nodes.map((n) => n.start()));
await Promise.all(nodes.slice(1).map((n) => n.joinCluster([formatAddress(nodes[0]!.gossipAddress)])));
await Promise.all(nodes.map((n) => n.leadership.waitForLeader()));
const leader = nodes.find((n) => n.leadership.isLeader)!;
const follower = nodes.find((n) => !n.leadership.isLeader)!;
const run = async (who: ClusterNetworkManager, ms: number, lanes: number, sql: string): Promise<number> => {
  let n = 0;
  const end = performance.now() + ms;
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      while (performance.now() < end) {
        await who.query(sql);
        n++;
      }
    }),
  );
  return Math.round(n / (ms / 1000));
};
const big = 'ADD k 1' + ' '.repeat(400);
await run(leader, 500, 16, big);
const out: Record<string, number> = {};
out['writes/s leader x1'] = await run(leader, 1500, 1, big);
out['writes/s leader x64'] = await run(leader, 3000, 64, big);
out['writes/s follower x64'] = await run(follower, 3000, 64, big);
out['reads/s x64'] = await run(follower, 3000, 64, 'GET k');
global.gc?.();
out['heap MB'] = Math.round(process.memoryUsage().heapUsed / 1e6);
out['external MB'] = Math.round(process.memoryUsage().external / 1e6);
out['rss MB'] = Math.round(process.memoryUsage().rss / 1e6);
if (steps > 0) {
  const t = performance.now();
  const text = await leader.dumpTrace();
  out['trace MB'] = Math.round(text.length / 1e5) / 10;
  out['dump ms'] = Math.round(performance.now() - t);
}
console.log(steps, JSON.stringify(out));
await Promise.all(nodes.map((n) => n.stop()));
