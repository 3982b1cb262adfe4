/** Majorities as pure functions. An empty set of voters agrees to everything, which is what the half of a joint quorum needs. */

export type VoteResult = 'won' | 'lost' | 'pending';

export const majorityOf = (voters: number): number => Math.floor(voters / 2) + 1;

/** The highest index that a majority has acknowledged; `Infinity` without voters. */
export function committedIndex(voters: readonly string[], acknowledged: (voter: string) => number): number {
  if (voters.length === 0) return Infinity;
  const indexes = voters.map(acknowledged).sort((a, b) => b - a);
  return indexes[majorityOf(voters.length) - 1] ?? 0;
}

/** @param vote undefined while the voter has not answered. */
export function voteResult(
  voters: readonly string[],
  vote: (voter: string) => boolean | undefined,
): VoteResult {
  let granted = 0;
  let open = 0;
  for (const voter of voters) {
    const answer = vote(voter);
    if (answer === true) granted++;
    else if (answer === undefined) open++;
  }
  const needed = voters.length === 0 ? 0 : majorityOf(voters.length);
  if (granted >= needed) return 'won';
  return granted + open >= needed ? 'pending' : 'lost';
}

/**
 * While the voters change, those before (`outgoing`) and those after (`incoming`) both have to agree (thesis 4.3); `outgoing` is empty
 * when they do not change.
 */
export interface JointVoters {
  readonly incoming: readonly string[];
  readonly outgoing: readonly string[];
}

/** The highest index that both majorities have acknowledged. */
export const jointCommittedIndex = (
  { incoming, outgoing }: JointVoters,
  acknowledged: (voter: string) => number,
): number => Math.min(committedIndex(incoming, acknowledged), committedIndex(outgoing, acknowledged));

/** Won when both majorities have granted it, lost as soon as one of them cannot any more. */
export function jointVoteResult(
  { incoming, outgoing }: JointVoters,
  vote: (voter: string) => boolean | undefined,
): VoteResult {
  const results = [voteResult(incoming, vote), voteResult(outgoing, vote)];
  if (results.includes('lost')) return 'lost';
  return results.includes('pending') ? 'pending' : 'won';
}
