/** What is done to a cluster, one round at a time: break something, wait, mend it, let it recover. */
import type { Prng } from '@cluster/core';
import type { Cluster } from './cluster.ts';
import type { Network } from './network.ts';

export interface FaultContext {
  readonly cluster: Cluster;
  readonly prng: Prng;
}

export interface Fault {
  readonly description: string;
  /** Whether it cuts links, which takes a network of our own. */
  readonly needsNetwork: boolean;
  /** Whether each round kills, so that kills can be counted up to a number. */
  readonly kills?: boolean;
  /** Whether half of the clients read by the leader's lease, which rests on time that passes for all alike. */
  readonly leaseReads?: boolean;
  round(context: FaultContext): Promise<void>;
}

const between = (prng: Prng, low: number, high: number): number => low + prng.below(high - low + 1);

function shuffled<T>(prng: Prng, items: readonly T[]): T[] {
  const all = [...items];
  for (let i = all.length - 1; i > 0; i--) {
    const j = prng.below(i + 1);
    [all[i], all[j]] = [all[j] as T, all[i] as T];
  }
  return all;
}

/** As many nodes as a cluster may lose, or fewer; the leader first in two of three cases. */
async function minority({ cluster, prng }: FaultContext): Promise<string[]> {
  const size = between(prng, 1, Math.floor((cluster.nodeIds.length - 1) / 2));
  const leader = prng.below(3) > 0 ? await cluster.leader() : null;
  const others = shuffled(
    prng,
    cluster.nodeIds.filter((nodeId) => nodeId !== leader),
  );
  return (leader === null ? others : [leader, ...others]).slice(0, size);
}

const hold = ({ cluster, prng }: FaultContext): Promise<void> => cluster.sleep(between(prng, 1000, 4000));
const rest = ({ cluster, prng }: FaultContext): Promise<void> => cluster.sleep(between(prng, 500, 1500));

const killLeader: Fault = {
  description: 'SIGKILL of the leader, and a restart on its own log, again and again',
  needsNetwork: false,
  kills: true,
  async round(context) {
    const { cluster, prng } = context;
    const leader = await cluster.leader();
    cluster.say(`SIGKILL ${leader}, which leads`);
    await cluster.kill(leader);
    await cluster.sleep(between(prng, 100, 1500));
    cluster.say(`restarting ${leader}`);
    await cluster.start(leader);
    await rest(context);
  },
};

const killSome: Fault = {
  description: 'SIGKILL of a minority, one after the other, and restarts, in which half are killed once more',
  needsNetwork: false,
  kills: true,
  async round(context) {
    const { cluster, prng } = context;
    const victims = await minority(context);
    for (const victim of victims) {
      cluster.say(`SIGKILL ${victim}`);
      await cluster.kill(victim);
      await cluster.sleep(prng.below(500));
    }
    await cluster.sleep(between(prng, 100, 2000));
    for (const victim of victims) {
      if (prng.below(2) === 0) {
        cluster.say(`restarting ${victim}, and SIGKILL before it is up or soon after`);
        cluster.launch(victim);
        await cluster.sleep(prng.below(600));
        await cluster.kill(victim);
      }
      cluster.say(`restarting ${victim}`);
      await cluster.start(victim);
    }
    await rest(context);
  },
};

const killAll: Fault = {
  description: 'SIGKILL of all nodes at once, and restarts',
  needsNetwork: false,
  kills: true,
  async round(context) {
    const { cluster, prng } = context;
    cluster.say('SIGKILL all');
    await cluster.kill(...cluster.nodeIds);
    await cluster.sleep(prng.below(500));
    cluster.say('restarting all');
    await Promise.all(cluster.nodeIds.map((nodeId) => cluster.start(nodeId)));
    await cluster.writesGoOn();
    await rest(context);
  },
};

const killRandom: Fault = {
  description: 'SIGKILL at random moments, of some or all at once, and restarts without a pause',
  needsNetwork: false,
  kills: true,
  async round({ cluster, prng }) {
    await cluster.sleep(prng.below(400));
    const size = prng.below(3) === 0 ? cluster.nodeIds.length : between(prng, 1, cluster.nodeIds.length - 1);
    const victims = shuffled(prng, cluster.nodeIds).slice(0, size);
    cluster.say(`SIGKILL ${victims.join(', ')}`);
    await cluster.kill(...victims);
    // Mostly under full load again; else the next one strikes while they find together, or start.
    const next = prng.below(8);
    if (next === 0) for (const victim of victims) cluster.launch(victim);
    else await Promise.all(victims.map((victim) => cluster.start(victim)));
    if (next > 1) await cluster.writesGoOn();
  },
};

const pauseSome: Fault = {
  description: 'SIGSTOP of a minority, mostly with the leader, for 1 to 4 s',
  needsNetwork: false,
  leaseReads: true,
  async round(context) {
    const { cluster } = context;
    const victims = await minority(context);
    cluster.say(`SIGSTOP ${victims.join(', ')}`);
    for (const victim of victims) cluster.pause(victim);
    await hold(context);
    cluster.say(`SIGCONT ${victims.join(', ')}`);
    for (const victim of victims) cluster.resume(victim);
    await rest(context);
  },
};

const pauseAll: Fault = {
  description: 'SIGSTOP of all nodes, and SIGCONT in another order',
  needsNetwork: false,
  leaseReads: true,
  async round(context) {
    const { cluster, prng } = context;
    cluster.say('SIGSTOP all');
    for (const nodeId of shuffled(prng, cluster.nodeIds)) cluster.pause(nodeId);
    await hold(context);
    cluster.say('SIGCONT all, one after the other');
    for (const nodeId of shuffled(prng, cluster.nodeIds)) {
      cluster.resume(nodeId);
      await cluster.sleep(prng.below(400));
    }
    await rest(context);
  },
};

/** A fault of the network: cuts, holds, heals. */
const cutting = (
  description: string,
  cut: (network: Network, context: FaultContext) => Promise<string>,
): Fault => ({
  description,
  needsNetwork: true,
  async round(context) {
    const { cluster } = context;
    const { network } = cluster;
    if (network === null) throw new Error('This fault needs a network of its own.');
    cluster.say(await cut(network, context));
    await hold(context);
    cluster.say('healing the network');
    await network.heal();
    await rest(context);
  },
});

const partition: Fault = {
  ...cutting('a minority, mostly with the leader, cut off from the others', async (network, context) => {
    const few = await minority(context);
    const many = context.cluster.nodeIds.filter((nodeId) => !few.includes(nodeId));
    for (const a of few) for (const b of many) await Promise.all([network.cut(a, b), network.cut(b, a)]);
    return `partition: ${few.join(', ')} | ${many.join(', ')}`;
  }),
  // Clients go on asking a leader that is cut off.
  leaseReads: true,
};

const oneWay = cutting(
  'the leader or another node deaf, or mute, to all other nodes',
  async (network, { cluster, prng }) => {
    const leader = await cluster.leader();
    const victim = prng.below(3) > 0 ? leader : (shuffled(prng, cluster.nodeIds)[0] ?? leader);
    const others = cluster.nodeIds.filter((nodeId) => nodeId !== victim);
    const deaf = prng.below(2) === 0;
    for (const other of others) await (deaf ? network.cut(other, victim) : network.cut(victim, other));
    return `${victim} is ${deaf ? 'deaf' : 'mute'}`;
  },
);

const bridge = cutting(
  'two groups that only one node can both speak to',
  async (network, { cluster, prng }) => {
    const [middle = '', ...others] = shuffled(prng, cluster.nodeIds);
    const left = others.slice(0, Math.ceil(others.length / 2));
    const right = others.slice(left.length);
    for (const a of left) for (const b of right) await Promise.all([network.cut(a, b), network.cut(b, a)]);
    return `bridge: ${left.join(', ')} | ${middle} | ${right.join(', ')}`;
  },
);

const unplug = cutting("the leader's link down, for its clients as well", async (network, { cluster }) => {
  const leader = await cluster.leader();
  await network.unplug(leader);
  return `${leader}, which leads, is unplugged`;
});

const single = {
  'kill-leader': killLeader,
  'kill-some': killSome,
  'kill-all': killAll,
  'kill-random': killRandom,
  'pause-some': pauseSome,
  'pause-all': pauseAll,
  partition,
  'one-way': oneWay,
  bridge,
  unplug,
};

const mixed: Fault = {
  description: 'any of the others, one after the other',
  needsNetwork: true,
  leaseReads: true,
  async round(context) {
    const [fault] = shuffled(context.prng, Object.values(single));
    await fault?.round(context);
  },
};

export const faults: Readonly<Record<string, Fault>> = { ...single, mixed };
