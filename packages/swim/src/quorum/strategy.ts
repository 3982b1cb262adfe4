/**
 * Which sets of members are a quorum.
 *
 * A strategy that counts grants is a predicate over the members that grant, such that any two sets that satisfy it share a member.
 * That one member does not grant to both sides, and so there are never two.
 */
export type Strategy =
  | 'lease-majority'
  | 'roster-majority'
  | 'static-quorum'
  | 'keep-oldest'
  | 'down-all'
  | 'keep-majority';

/** Whose word the strategy takes: the members' grants, a coordinator's lease, or merely what gossip says. */
export type Evidence = 'grants' | 'lease' | 'view';

export const evidenceOf = (strategy: Strategy): Evidence =>
  strategy === 'lease-majority' ? 'lease' : strategy === 'keep-majority' ? 'view' : 'grants';

export interface QuorumRule {
  readonly strategy: Strategy;
  readonly staticQuorum: number;
  /** keep-oldest: an oldest member that is left alone is given up for all the others. */
  readonly downIfAlone: boolean;
}

export const majorityOf = (size: number): number => Math.floor(size / 2) + 1;

/** With more members than this, two sides could each have the quorum of static-quorum. */
export const staticMembersMax = (quorum: number): number => 2 * quorum - 1;

/**
 * Why a roster may not change by one member under this rule; null when it may. Quorums of consecutive rosters must share a member:
 * majorities do, and so do static quorums within their bound, but under keep-oldest the oldest and a newcomer at one epoch share
 * nobody with all the others at the epoch before.
 */
export function changeObjection(
  { strategy, staticQuorum }: QuorumRule,
  size: number,
  type: 'add' | 'remove',
): string | null {
  if (strategy === 'keep-oldest') return 'keep-oldest needs a roster that does not change';
  if (strategy !== 'static-quorum') return null;
  if (type === 'add' && size >= staticMembersMax(staticQuorum))
    return `static-quorum ${staticQuorum} allows ${staticMembersMax(staticQuorum)} members`;
  return type === 'remove' && size <= staticQuorum
    ? `static-quorum ${staticQuorum} needs as many members`
    : null;
}

/** Whether those of the roster that `counts` are a quorum of it. Nobody outside the roster ever counts. */
export function isQuorum(
  rule: QuorumRule,
  members: readonly string[],
  counts: (name: string) => boolean,
): boolean {
  const size = members.length;
  const count = members.reduce((sum, name) => sum + (counts(name) ? 1 : 0), 0);
  switch (rule.strategy) {
    case 'static-quorum':
      return size <= staticMembersMax(rule.staticQuorum) && count >= rule.staticQuorum;
    case 'keep-oldest': {
      const [oldest] = members;
      if (oldest === undefined) return false;
      if (!rule.downIfAlone || size === 1) return counts(oldest);
      return counts(oldest) ? count >= 2 : count === size - 1;
    }
    case 'down-all':
      return size > 0 && count === size;
    case 'roster-majority':
    case 'keep-majority':
    case 'lease-majority':
      return count >= majorityOf(size);
  }
}

/**
 * keep-majority is best effort: views differ, and in about one simulated run in twenty two sides both held quorum for a while.
 * It counts what it last knew, so an even split has to be settled: the side with the lowest name stays.
 */
export function isMajorityOrTieWinner(known: readonly string[], counts: (name: string) => boolean): boolean {
  const count = known.reduce((sum, name) => sum + (counts(name) ? 1 : 0), 0);
  if (count * 2 !== known.length) return count * 2 > known.length;
  const lowest = known.toSorted()[0];
  return lowest !== undefined && counts(lowest);
}
