/**
 * The rules that safety hangs on and that are a line each, in one place.
 *
 * They are given to the core, so that a checker can be shown one that breaks a rule: a simulation that never finds such a core proves
 * nothing about the sound one. Nothing but {@link thesisRules} is meant to run.
 */
import { type Configuration, jointVotersOf } from './configuration.ts';
import type { JointVoters } from './quorum.ts';

/** A configuration and its place in the log. */
export interface Placed {
  readonly index: number;
  readonly configuration: Configuration;
}

export interface Rules {
  /** Whose majorities have to agree on votes and entries. */
  readonly votersOf: (configuration: Configuration) => JointVoters;
  /** Which of the configurations in the log, in its order and never none, is in force. */
  readonly inForce: (placed: readonly Placed[], commitIndex: number) => Placed | undefined;
  /** Whether the configuration in force, at `index`, is agreed on, so that the next change may begin. */
  readonly isAgreedOn: (index: number, commitIndex: number) => boolean;
  /** Whether a leader of `term` commits up to an entry of `entryTerm` that a majority has on its disks. */
  readonly mayCommit: (entryTerm: number | undefined, term: number) => boolean;
}

export const thesisRules: Rules = {
  // Old and new voters both (thesis 4.3).
  votersOf: jointVotersOf,
  // The latest in the log, committed or not (thesis 4.1).
  inForce: (placed) => placed.at(-1),
  // One change at a time: any two majorities overlap (thesis 4.1).
  isAgreedOn: (index, commitIndex) => index <= commitIndex,
  // An older entry can be on a majority and still be replaced (thesis 3.6.2, figure 3.7).
  mayCommit: (entryTerm, term) => entryTerm === term,
};
