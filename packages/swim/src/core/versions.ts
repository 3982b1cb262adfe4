/** Protocol version bounds across a pool: everybody's current version must be understood by everybody (memberlist 5). */
interface Versioned {
  readonly vsn: Uint8Array;
}

/** False when some member speaks what another does not understand. Members without a version are old and not asked. */
export const versionsAgree = (members: readonly Versioned[]): boolean =>
  // The protocol's bounds come first, the delegate's after them.
  boundsAgree(members, 0) && boundsAgree(members, 3);

/** Asked with every claim that is heard, so in one pass, and without a list. */
function boundsAgree(members: readonly Versioned[], at: 0 | 3): boolean {
  let [low, high] = [0, 255];
  let [lowest, highest] = [255, 0];
  for (const { vsn } of members) {
    if (vsn.length !== 6) continue;
    const current = vsn[at + 2] as number;
    low = Math.max(low, vsn[at] as number);
    high = Math.min(high, vsn[at + 1] as number);
    lowest = Math.min(lowest, current);
    highest = Math.max(highest, current);
  }
  return lowest >= low && highest <= high;
}

/** The highest protocol version a member understands; 1 when it does not say. */
export const protocolMax = ({ vsn }: Versioned): number => vsn[1] ?? 1;
