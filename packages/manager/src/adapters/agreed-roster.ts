/**
 * The roster that quorum counts, as the coordinator's log agrees on it: its voters, under the place of that in the log as epoch.
 *
 * Only what is committed is told. After a restart a node may know an earlier epoch than before, until it hears a leader; under
 * `lease-majority`, which is what this is for, the lease decides and not the count.
 */
import type { Outcome } from '@cluster/core';
import type { Roster, RosterChange, RosterPort } from '@cluster/swim';
import type { LogComponent } from '../components.ts';
import { asClusterError } from '../errors.ts';

/** Counts from 1, as a roster's epochs do; the log's places count from 0, where the configuration is. */
const epochAt = (index: number): number => index + 1;

/** @param change asks for a change of the members that were agreed on at `index`. */
export function agreedRoster(
  log: Pick<LogComponent, 'status' | 'onEvent'>,
  change: (change: RosterChange, index: number) => Promise<void>,
): RosterPort {
  const listeners = new Set<(roster: Roster) => void>();
  const { voters, membersIndex, commitIndex } = log.status();
  let roster: Roster =
    membersIndex <= commitIndex
      ? { epoch: epochAt(membersIndex), members: voters }
      : { epoch: 0, members: [] };
  log.onEvent((event) => {
    if (event.type !== 'MembersChanged' || epochAt(event.index) <= roster.epoch) return;
    roster = { epoch: epochAt(event.index), members: event.voters };
    for (const listener of listeners) listener(roster);
  });
  return {
    current: () => roster,
    onChange: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    propose: (asked, epoch, done) => {
      const answer = async (): Promise<Outcome<Roster>> => {
        try {
          await change(asked, epoch - 1);
          return { ok: true, value: roster };
        } catch (error) {
          return { ok: false, error: asClusterError(error) };
        }
      };
      void (async () => done(await answer()))();
    },
  };
}
