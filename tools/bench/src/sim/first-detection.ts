/**
 * How long until somebody suspects a member that has died: what our schedule of probes makes of it, derived.
 *
 * The derivation, in periods T. Each of the m = n - 1 others probes once per period, everybody once in a round of m periods, in an
 * order that is shuffled anew for each round; its phase is independent of the death and of the others'. At the death it has j
 * probes left in its round, j uniform in 0 .. m-1. Its next N probes miss the dead one with probability
 *
 *   q(N) = mean over j of: 1 - N/m                       for N <= j (the place in the round is uniform)
 *                          (1 - j/m) (1 - (N - j)/m)     for j < N <= j + m (not in this round's rest, nor early in the next)
 *
 * Within a time t = k + f (k whole, 0 <= f < 1) it starts k + 1 probes with probability f and k otherwise, so it has not yet begun
 * to probe the dead one with probability s(t) = (1 - f) q(k) + f q(k + 1). All m are independent: the first begins after
 *
 *   E = integral over t >= 0 of s(t)^m
 *
 * which tends to 1 for large n. Where k die together, m - (k - 1) are left to probe, in rounds that are as long. The probe fails at the end of its period, when the relays have been silent too: the first suspicion
 * comes after E + 1 periods. SWIM (4.1) counts whole periods under independent random choices, hence its e/(e - 1) = 1.58: there
 * all probe in step, and a period in which the dead one is chosen counts from the moment of the choice.
 */
export const paperPeriods = Math.E / (Math.E - 1);

/**
 * Mean time from a death to the first suspicion, in probe periods.
 * @param dying how many die together.
 */
export function expectedPeriods(size: number, dying = 1): number {
  const m = size - 1;
  const observers = m - (dying - 1);
  const misses = (probes: number): number => {
    let sum = 0;
    for (let left = 0; left < m; left++)
      sum += probes <= left ? 1 - probes / m : (1 - left / m) * Math.max(0, 1 - (probes - left) / m);
    return sum / m;
  };
  let expected = 0;
  const steps = 16;
  for (let k = 0; k < 2 * m; k++) {
    const [before, after] = [misses(k), misses(k + 1)];
    // Simpson's rule over f.
    for (let i = 0; i <= steps; i++) {
      const weight = i === 0 || i === steps ? 1 : i % 2 === 1 ? 4 : 2;
      const f = i / steps;
      expected += (weight / (3 * steps)) * ((1 - f) * before + f * after) ** observers;
    }
    if (before ** observers < 1e-9) break;
  }
  return expected + 1;
}
