/**
 * How a leader feeds one follower (Raft thesis 3.5, 5.1, 10.2.1). Each follower is an entity without a context: its indexes are in the
 * leader's columns, and only a change of mode comes here.
 */
import { effect } from '@cluster/core';
import { setup } from 'xstate';

export type ProgressEvent =
  /** The follower's log agrees with the leader's up to where it was asked. */
  | { readonly type: 'ACKED' }
  /** The follower lacks what it was sent entries after. */
  | { readonly type: 'REJECTED' }
  /** The follower lacks entries that the leader's log does not hold any more. */
  | { readonly type: 'BEHIND_LOG' }
  /** The follower holds what the leader's log begins behind. */
  | { readonly type: 'JOINED_LOG' };

export const progressMachine = setup({
  types: { events: {} as ProgressEvent },
  actions: {
    sendOneAtATime: effect(),
    pipeline: effect(),
    sendSnapshot: effect(),
    endSnapshot: effect(),
  },
}).createMachine({
  id: 'raft.progress',
  initial: 'probe',
  states: {
    probe: {
      description:
        'Where the logs agree is not known: one message at a time looks for it, stepping back a term at a time (thesis 3.5). A further REJECTED changes only where it looks.',
      entry: 'sendOneAtATime',
      on: { ACKED: 'replicate', BEHIND_LOG: 'snapshot' },
    },
    replicate: {
      description:
        'The logs agree: entries are sent without waiting for answers, within a bounded window (thesis 10.2.1). Further ACKED only move the window.',
      entry: 'pipeline',
      on: { REJECTED: 'probe', BEHIND_LOG: 'snapshot' },
    },
    snapshot: {
      description:
        'What the follower lacks is in a snapshot only, which is being sent; no entries go out meanwhile (thesis 5.1).',
      entry: 'sendSnapshot',
      exit: 'endSnapshot',
      on: { JOINED_LOG: 'probe' },
    },
  },
});
