/**
 * Who is on our side: a set of members each of which reaches each other.
 *
 * A member that only some of the others reach would be counted on both sides of a cut. Such indirectly connected members are given
 * up first: of the pair that cannot reach each other, the one with the most broken links, and of equals the youngest on the roster.
 * Deviation: Akka's resolver gives up both ends of every broken link.
 */
export interface Links {
  readonly self: string;
  readonly members: readonly string[];
  readonly reaches: (name: string) => boolean;
  /** Whom a member reaches by its own word; undefined when that is not known. */
  readonly reachOf: (name: string) => ReadonlySet<string> | undefined;
}

export interface Side {
  readonly members: ReadonlySet<string>;
  /** We are ourselves indirectly connected, and the ones to be given up. */
  readonly isExpendable: boolean;
}

export function sideOf({ self, members, reaches, reachOf }: Links): Side {
  const near = members.filter((name) => name === self || reaches(name));
  const rows = new Map(near.map((name) => [name, name === self ? new Set(near) : reachOf(name)]));
  const seen = new Set(near);
  for (const row of rows.values()) for (const name of row ?? []) if (members.includes(name)) seen.add(name);
  const isBroken = (a: string, b: string): boolean =>
    rows.get(a)?.has(b) === false || rows.get(b)?.has(a) === false;
  for (;;) {
    let worst = '';
    let most = 0;
    for (const name of members) {
      if (!seen.has(name)) continue;
      let broken = 0;
      for (const other of seen) if (other !== name && isBroken(name, other)) broken++;
      if (broken > 0 && broken >= most) [worst, most] = [name, broken];
    }
    if (most === 0) break;
    seen.delete(worst);
  }
  const isExpendable = members.includes(self) && !seen.has(self);
  // Without us the side is none: what we ourselves reach is then all that can be said.
  return { members: isExpendable ? new Set(near) : seen, isExpendable };
}
