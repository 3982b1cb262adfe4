/**
 * From one configuration to the next (thesis 4.2, 4.3), as pure functions.
 *
 * A simple change alters at most one voter, so that any majority before and any after it overlap. Anything larger goes through a
 * joint configuration, in which both majorities have to agree; a voter that becomes a learner on the way still votes in the
 * outgoing half, and is a learner only when the joint configuration is left.
 */
import { type Configuration, isJoint } from './configuration.ts';

/** `staged`: a learner that becomes a voter by itself when it has nearly caught up. */
export type MemberKind = 'voter' | 'learner' | 'staged' | 'removed';

/** What a node is to be. A change that leaves everything as it is, is none. */
export interface MemberChange {
  readonly nodeId: string;
  readonly becomes: MemberKind;
}

export type ChangeProblem =
  /** A joint configuration has to be left first. */
  | 'alreadyJoint'
  | 'notJoint'
  /** Nobody could agree to anything afterwards, or nobody can now. */
  | 'noVoters'
  /** More than one voter at once needs a joint configuration. */
  | 'needsJoint';

export type Changed = { readonly configuration: Configuration } | { readonly problem: ChangeProblem };

/** The change of at most one voter, and of any learners. */
export function simpleChange(from: Configuration, changes: readonly MemberChange[]): Changed {
  if (isJoint(from)) return { problem: 'alreadyJoint' };
  const configuration = apply(from, changes);
  if (configuration.voters.length === 0) return { problem: 'noVoters' };
  const differing = [
    ...from.voters.filter((id) => !configuration.voters.includes(id)),
    ...configuration.voters.filter((id) => !from.voters.includes(id)),
  ];
  return differing.length > 1 ? { problem: 'needsJoint' } : { configuration };
}

/** Into a configuration in which the voters of before and after both have to agree. */
export function enterJoint(
  from: Configuration,
  changes: readonly MemberChange[],
  autoLeave: boolean,
): Changed {
  if (isJoint(from)) return { problem: 'alreadyJoint' };
  if (from.voters.length === 0) return { problem: 'noVoters' };
  const configuration = apply({ ...from, outgoing: from.voters }, changes);
  if (configuration.voters.length === 0) return { problem: 'noVoters' };
  return { configuration: { ...configuration, autoLeave } };
}

/** Out of it: the outgoing voters have no say any more. */
export function leaveJoint(from: Configuration): Changed {
  if (!isJoint(from)) return { problem: 'notJoint' };
  const learners = [...from.learners, ...from.learnersNext].sort();
  return { configuration: { ...from, outgoing: [], learners, learnersNext: [], autoLeave: false } };
}

function apply(from: Configuration, changes: readonly MemberChange[]): Configuration {
  const voters = new Set(from.voters);
  const learners = new Set(from.learners);
  const learnersNext = new Set(from.learnersNext);
  const staging = new Set(from.staging);
  for (const { nodeId, becomes } of changes) {
    for (const names of [voters, learners, learnersNext, staging]) names.delete(nodeId);
    if (becomes === 'voter') voters.add(nodeId);
    // An outgoing voter is no learner yet.
    else if (becomes !== 'removed') (from.outgoing.includes(nodeId) ? learnersNext : learners).add(nodeId);
    if (becomes === 'staged') staging.add(nodeId);
  }
  const sorted = (names: ReadonlySet<string>): readonly string[] => [...names].sort();
  return {
    ...from,
    voters: sorted(voters),
    learners: sorted(learners),
    learnersNext: sorted(learnersNext),
    staging: sorted(staging),
  };
}
