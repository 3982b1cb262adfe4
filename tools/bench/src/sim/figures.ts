/** What the papers count, measured on a pool in the simulator; every time is virtual. */
import type { SwimPool } from './pool.ts';

const patienceMs = 300_000;
// Few enough that relays are seldom among them: who lacks an answer of a relay takes itself for slow, and probes more seldom.
const shareDying = 1 / 20;

/** Of a large pool a few die in the same period. */
export const dyingTogether = (size: number): number => Math.max(1, Math.round(size * shareDying));

/**
 * Kills members at random moments, and gives the times to the first suspicion, in periods. Before each kill the pool is whole and
 * well; those that die in the same period are each seen for itself.
 */
export function detections(pool: SwimPool, kills: number, periodMs: number): number[] {
  const { world } = pool;
  const { prng } = world;
  const periods: number[] = [];
  const killedAtMs = new Map<string, number>();
  pool.onEvent((_, { type, member }) => {
    const atMs = killedAtMs.get(member.name);
    if (type !== 'Suspect' || atMs === undefined) return;
    periods.push((world.nowMs - atMs) / periodMs);
    killedAtMs.delete(member.name);
  });
  const atOnce = dyingTogether(pool.names.length);
  while (periods.length < kills) {
    pool.await('a whole pool', () => pool.isWell, patienceMs);
    world.runFor((1 + prng.float()) * periodMs);
    // Who is suspected already cannot be suspected first.
    if (!pool.isWhole) continue;
    // Never the first: it is everybody's seed.
    const victims = prng.shuffle(pool.names.slice(1)).slice(0, Math.min(atOnce, kills - periods.length));
    for (const victim of victims) {
      const afterMs = victims.length === 1 ? 0 : prng.float() * periodMs;
      world.after(afterMs, () => {
        killedAtMs.set(victim, world.nowMs);
        pool.kill(victim);
      });
    }
    world.runFor(periodMs);
    pool.await('a suspicion', () => killedAtMs.size === 0, patienceMs);
    for (const victim of victims) world.restart(victim);
    // Time to be missed no more.
    world.runFor(2 * periodMs);
  }
  return periods;
}

/** Datagrams that a member sends in a period while nothing happens. */
export function packetsPerPeriod(pool: SwimPool, periods: number, periodMs: number): number {
  pool.await('a whole pool', () => pool.isWell, patienceMs);
  // The news of the last arrivals is out by then.
  pool.world.runFor(20 * periodMs);
  const sent = (): number => pool.names.reduce((sum, name) => sum + pool.metric(name, 'messages_sent'), 0);
  const before = sent();
  pool.world.runFor(periods * periodMs);
  return (sent() - before) / periods / pool.names.length;
}

/**
 * Changes the tags of one member after the other, and gives the gossip rounds until each of the others knew, in ascending order.
 * Who had to wait for a push/pull counts with the time that took.
 */
export function disseminations(pool: SwimPool, changes: number, gossipPeriodMs: number): number[] {
  const { world } = pool;
  const rounds: number[] = [];
  let origin = '';
  let changedAtMs = 0;
  let knows = new Set<string>();
  pool.onEvent((observer, { type, member }) => {
    if (type !== 'Updated' || member.name !== origin || observer === origin || knows.has(observer)) return;
    knows.add(observer);
    rounds.push((world.nowMs - changedAtMs) / gossipPeriodMs);
  });
  pool.await('a whole pool', () => pool.isWell, patienceMs);
  for (let i = 0; i < changes; i++) {
    world.runFor((20 + world.prng.float()) * gossipPeriodMs);
    origin = world.prng.pick(pool.names) as string;
    knows = new Set();
    changedAtMs = world.nowMs;
    pool.engines.get(origin)?.setTags({ change: String(i) });
    pool.await('a change known to all', () => knows.size === pool.names.length - 1, patienceMs);
  }
  return rounds.sort((a, b) => a - b);
}
