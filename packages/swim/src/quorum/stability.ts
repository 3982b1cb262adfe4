/** How long reachability must stand still before a partition is decided: the larger the cluster, the longer news takes to settle. */
const table: readonly (readonly [members: number, ms: number])[] = [
  [5, 7000],
  [10, 10_000],
  [20, 13_000],
  [50, 17_000],
  [100, 20_000],
  [1000, 30_000],
];

/** Akka's recommendation for its split-brain resolver; in between by the logarithm of the size. */
export function stabilityWindowMs(members: number): number {
  let [size, ms] = table[0] as readonly [number, number];
  if (members <= size) return ms;
  for (const [nextSize, nextMs] of table.slice(1)) {
    if (members <= nextSize) {
      const share = Math.log(members / size) / Math.log(nextSize / size);
      return Math.round(ms + share * (nextMs - ms));
    }
    [size, ms] = [nextSize, nextMs];
  }
  return ms;
}
