/** How efforts grow with the pool. */

/**
 * Times a broadcast is sent by each who has heard of it: `mult * (1 + log10(members))`, but no oftener than there are others, and
 * `mult` times at least.
 *
 * Deviation: memberlist takes `mult * ceil(log10(members + 1))`, which is as much at 10, 100, 1000 and falls behind until the next
 * of these. A member misses what everybody sends c times with probability e^-c, so that of 99 members somebody would miss one
 * change in thirty and hear of it by push/pull only, up to a minute late. This keeps it below one in 350 at any size.
 */
export const retransmitLimit = (mult: number, members: number): number =>
  Math.max(mult, Math.min(members - 1, Math.ceil(mult * (1 + Math.log10(members)))));

// Up to this size a full exchange costs little.
const pushPullThreshold = 32;

/** Push/pull moves the whole member list, so its period doubles, triples, … with each doubling of the pool above 32. */
export function pushPullPeriodMs(baseMs: number, members: number): number {
  if (members <= pushPullThreshold) return baseMs;
  return baseMs * (Math.ceil(Math.log2(members) - Math.log2(pushPullThreshold)) + 1);
}

/** The local health score within [0, max): 0 = as far as we can tell, failures are the others' (Lifeguard, LHM). */
export const healthScore = (score: number, delta: number, max: number): number =>
  Math.min(max - 1, Math.max(0, score + delta));

/** What a failed probe says about ourselves: relays that kept silent, or one if nobody could have spoken. */
export const failedProbeDelta = (expectedNacks: number, nacks: number): number =>
  expectedNacks === 0 ? 1 : Math.max(0, expectedNacks - nacks);

/** Probability per period of trying a dead member again: about one attempt in the whole pool. */
export const reconnectChance = (dead: number, alive: number): number =>
  alive === 0 ? 1 : Math.min(1, dead / alive);
