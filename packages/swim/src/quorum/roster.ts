/** The roster: who counts. It comes from a configuration or from agreement, never from gossip. */
import { ClusterError, type Done } from '@cluster/core';

/** Immutable; a later epoch replaces it. Oldest member first: a newcomer goes to the end. */
export interface Roster {
  readonly epoch: number;
  readonly members: readonly string[];
}

/** One member at a time: the majorities of a roster and of the next one then have a member in common. */
export type RosterChange =
  | { readonly type: 'add'; readonly name: string }
  | { readonly type: 'remove'; readonly name: string };

/**
 * Where the roster comes from.
 *
 * What an implementation promises: epochs never go back at a node, over restarts included; consecutive epochs differ by one
 * member; and a change of epoch e is accepted only when it is proposed for e, by a node that holds quorum at e (`propose` is called
 * by nobody else). The safety of counting rests on these three.
 */
export interface RosterPort {
  current(): Roster;
  /** @returns ends the subscription. */
  onChange(listener: (roster: Roster) => void): () => void;
  /** Absent where the roster is fixed. Gives the roster that came of it. */
  propose?(change: RosterChange, epoch: number, done: Done<Roster>): void;
}

/** A roster that never changes, by configuration. */
export function fixedRoster(members: readonly string[]): RosterPort {
  const roster = { epoch: 1, members: [...members] };
  return { current: () => roster, onChange: () => () => undefined };
}

/** The roster after a change. @throws ClusterError `SWIM_ROSTER_CHANGE_INVALID`. */
export function changeRoster(roster: Roster, change: RosterChange): Roster {
  const { epoch, members } = roster;
  const isMember = members.includes(change.name);
  if (change.type === 'add' ? isMember : !isMember || members.length === 1)
    throw changeInvalid(change, isMember ? 'it is on it, or alone on it' : 'it is not on it');
  const next =
    change.type === 'add' ? [...members, change.name] : members.filter((name) => name !== change.name);
  return { epoch: epoch + 1, members: next };
}

/** @param why what stands against it. */
export const changeInvalid = ({ type, name }: RosterChange, why: string): ClusterError =>
  new ClusterError({
    code: 'SWIM_ROSTER_CHANGE_INVALID',
    fault: 'caller',
    message: `The roster cannot ${type} ${name}: ${why}.`,
    advice: 'Read the roster and propose what still makes sense.',
  });
