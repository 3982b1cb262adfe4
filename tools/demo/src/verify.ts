/** Reads every acknowledged write back from every node, each asked for its own copy over the network. */
import { ClusterClient } from '@cluster/manager/node';
import type { ClientConfig } from './protocol.ts';

/** The number of acknowledged writes that at least one node lacks. */
export async function findLostWrites(config: ClientConfig, acknowledged: readonly number[]): Promise<number> {
  const lost = new Set<number>();
  for (const node of config.nodes) {
    const client = await ClusterClient.connect({
      clusterName: config.clusterName,
      tls: config.tls,
      nodes: [node],
    });
    try {
      const { rows } = await client.query('SELECT id FROM ledger', { local: true, timeoutMs: 20_000 });
      const present = new Set(rows.map((row) => Number(row[0])));
      for (const id of acknowledged) if (!present.has(id)) lost.add(id);
    } finally {
      await client.close();
    }
  }
  return lost.size;
}
