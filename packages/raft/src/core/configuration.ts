/**
 * Who takes part in a group, as a value: it is written into the log and into snapshots, and everything that counts votes or
 * acknowledgements is a function of it (thesis 4).
 */
import type { JointVoters } from './quorum.ts';

export interface Configuration {
  /** Whose majority decides; while it is joint, one of the two that have to (thesis 4.3). */
  readonly voters: readonly string[];
  /** While it is joint: whose majority decided before. Empty otherwise. */
  readonly outgoing: readonly string[];
  /** Get the log and count nowhere (thesis 4.2.1). */
  readonly learners: readonly string[];
  /** Still outgoing voters; learners once it is not joint any more. */
  readonly learnersNext: readonly string[];
  /** Learners that the leader makes voters by itself once they have nearly caught up (thesis 4.2.1). */
  readonly staging: readonly string[];
  /** A joint configuration that the leader ends by itself as soon as it is committed. */
  readonly autoLeave: boolean;
}

/** A configuration of voters only. */
export const votersOnly = (voters: readonly string[]): Configuration => ({
  voters: [...voters],
  outgoing: [],
  learners: [],
  learnersNext: [],
  staging: [],
  autoLeave: false,
});

export const isJoint = ({ outgoing }: Configuration): boolean => outgoing.length > 0;

/** Both halves, for the quorum functions. */
export const jointVotersOf = ({ voters, outgoing }: Configuration): JointVoters => ({
  incoming: voters,
  outgoing,
});

/** Everybody who gets the log, each once. */
export const membersOf = ({ voters, outgoing, learners }: Configuration): readonly string[] => [
  ...new Set([...voters, ...outgoing, ...learners]),
];
