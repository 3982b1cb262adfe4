/** How long writes stop when a leader is lost: by SIGKILL, which closes its connections, and by a network that goes silent. */
import { makeNetwork, type Network, whyNoNamespaces } from '@cluster/nemesis';
import type { Remote } from '../process/remote.ts';
import { type Cluster, serverNames, type Surroundings } from './clusters.ts';
import type { FailoverTimes, Loss, StoreName } from './rows.ts';

export interface FailoverScene {
  readonly clusters: ReadonlyMap<StoreName, Cluster>;
  readonly client: Remote;
  end(): Promise<void>;
}

export interface FailoverOptions {
  readonly trials: number;
  readonly say: (line: string) => void;
  /** Starts the clusters and the client; null: on loopback. */
  readonly stage: (network: Network | null) => Promise<FailoverScene>;
}

export const clientHost = 'client';
const attemptEveryMs = 10;
const giveUpMs = 15_000;
/** What has just come back gets time to settle. */
const settleMs = 500;
/** The lost one stays so until every timeout is over. */
const silenceMs = 1500;

export const inside = (network: Network | null): Surroundings | undefined =>
  network === null
    ? undefined
    : { prefix: (server) => network.prefix(server), host: (server) => network.host(server) };

/** @returns the times of both kinds, and why one could not be taken here. */
export async function measureFailover(
  options: FailoverOptions,
): Promise<{ readonly times: FailoverTimes; readonly skipped: string | null }> {
  const times = new Map<Loss, ReadonlyMap<StoreName, readonly number[]>>();
  const scene = await options.stage(null);
  times.set('killed', await trials('killed', options, scene, killed(scene)));
  await scene.end();
  const skipped = whyNoNamespaces();
  if (skipped !== null) return { times, skipped };
  const network = await makeNetwork(serverNames);
  const removed = (): void => network.remove();
  process.once('exit', removed);
  try {
    const silentScene = await options.stage(network);
    times.set('silent', await trials('silent', options, silentScene, silenced(silentScene, network)));
    await silentScene.end();
  } finally {
    network.remove();
    process.off('exit', removed);
  }
  return { times, skipped };
}

/** Loses a leader and brings it back. @returns how long until a write was accepted. */
type Trial = (name: StoreName, cluster: Cluster, leader: string) => Promise<number>;

async function trials(
  loss: Loss,
  { trials: count, say }: FailoverOptions,
  { clusters }: FailoverScene,
  lose: Trial,
): Promise<ReadonlyMap<StoreName, readonly number[]>> {
  const times = new Map<StoreName, number[]>([...clusters.keys()].map((name) => [name, []]));
  for (let trial = 0; trial < count; trial++) {
    const took: string[] = [];
    for (const [name, cluster] of clusters) {
      const leader = await cluster.leader();
      await new Promise((resolve) => setTimeout(resolve, settleMs));
      const ms = await lose(name, cluster, leader);
      times.get(name)?.push(ms);
      took.push(`${name} ${ms.toFixed(0)} ms`);
    }
    say(`failover ${trial + 1} of ${count}, leader ${loss}: ${took.join(', ')}`);
  }
  return times;
}

const now = (): number => performance.timeOrigin + performance.now();

const firstAccepted = (client: Remote, store: StoreName, leader: string): Promise<number> =>
  client.call<number>('firstAccepted', {
    store,
    servers: serverNames.filter((server) => server !== leader),
    everyMs: attemptEveryMs,
    giveUpMs,
  });

const killed =
  ({ client }: FailoverScene): Trial =>
  async (name, cluster, leader) => {
    const lostMs = now();
    const gone = cluster.kill(leader);
    const acceptedMs = await firstAccepted(client, name, leader);
    await gone;
    await cluster.restart(leader);
    return acceptedMs - lostMs;
  };

const silenced =
  ({ client }: FailoverScene, network: Network): Trial =>
  async (name, _cluster, leader) => {
    const others = [...serverNames, clientHost].filter((member) => member !== leader);
    // One direction after the other: counted from the first that the others can notice.
    const lostMs = now();
    await Promise.all(others.map((other) => network.cut(leader, other)));
    const cuts = Promise.all(others.map((other) => network.cut(other, leader)));
    const acceptedMs = await firstAccepted(client, name, leader);
    await cuts;
    await new Promise((resolve) => setTimeout(resolve, silenceMs));
    await network.heal();
    return acceptedMs - lostMs;
  };
