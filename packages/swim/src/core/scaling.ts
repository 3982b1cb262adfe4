/** How efforts grow with the pool. */

/**
 * Times a broadcast is sent: `mult * ceil(log10(members + 1))`.
 *
 * Deviation: up to twice `mult`, no fewer times than there are others. By the formula alone, a pool of up to nine sends it `mult`
 * times, and of eight members one in fifty hears of it by push/pull only: half a minute late.
 */
export const retransmitLimit = (mult: number, members: number): number =>
  Math.max(mult * Math.ceil(Math.log10(members + 1)), Math.min(members - 1, 2 * mult));

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
