/** Protocol version bounds across a pool: everybody's current version must be understood by everybody (memberlist 5). */
interface Versioned {
  readonly vsn: Uint8Array;
}

/** False when some member speaks what another does not understand. Members without a version are old and not asked. */
export function versionsAgree(members: Iterable<Versioned>): boolean {
  const known = [...members].map(({ vsn }) => vsn).filter((vsn) => vsn.length === 6);
  // The protocol's bounds come first, the delegate's after them.
  return [0, 3].every((at) => {
    const low = Math.max(...known.map((vsn) => vsn[at] as number));
    const high = Math.min(...known.map((vsn) => vsn[at + 1] as number));
    return known.every((vsn) => {
      const current = vsn[at + 2] as number;
      return current >= low && current <= high;
    });
  });
}

/** The highest protocol version a member understands; 1 when it does not say. */
export const protocolMax = ({ vsn }: Versioned): number => vsn[1] ?? 1;
