/**
 * What a node does about a snapshot of its own: it takes one of its state, or gets one from the leader, and never both at once
 * (Raft thesis 5.1, 5.2). Bytes do not come here; what moves the machine is that a step is done or has failed.
 */
import { effect } from '@cluster/core';
import { setup } from 'xstate';

export interface SnapshotInput {
  /** A transfer of which nothing was heard for so long is over. */
  readonly silenceMs: number;
}

export type SnapshotEvent =
  /** The log has grown enough, or somebody asked. */
  | { readonly type: 'WANTED' }
  /** The state machine has an image that further entries do not change. */
  | { readonly type: 'IMAGE_TAKEN' }
  /** The snapshot is on the disk. */
  | { readonly type: 'SAVED' }
  /** The state machine or the disk could not; nothing is left of it. */
  | { readonly type: 'FAILED' }
  /** The leader sends one that this node needs. */
  | { readonly type: 'OFFERED' }
  /** More of it is on the disk. */
  | { readonly type: 'PIECE_WRITTEN' }
  /** All of it is on the disk. */
  | { readonly type: 'COMPLETE' }
  /** It is what its sender has, and has its name. */
  | { readonly type: 'ACCEPTED' }
  /** It is not what it said it was. */
  | { readonly type: 'REFUSED' }
  /** No batch is with the state machine, which does not hold what the snapshot covers. */
  | { readonly type: 'READY' }
  /** The state machine holds as much already. */
  | { readonly type: 'OVERTAKEN' }
  /** The log on the disk begins behind the snapshot. */
  | { readonly type: 'LOG_BEGUN' }
  /** The state machine holds what the snapshot held. */
  | { readonly type: 'INSTALLED' };

export const snapshotMachine = setup({
  types: { context: {} as SnapshotInput, events: {} as SnapshotEvent, input: {} as SnapshotInput },
  actions: {
    takeImage: effect(),
    /** Entries are applied again. */
    resumeApplying: effect(),
    keep: effect(),
    reportFailure: effect(),
    begin: effect(),
    check: effect(),
    refuse: effect(),
    adopt: effect(),
    /** Comes back as READY or OVERTAKEN when no batch is under way. */
    holdApplying: effect(),
    beginLog: effect(),
    install: effect(),
    finish: effect(),
  },
  delays: { silence: ({ context }) => context.silenceMs },
}).createMachine({
  id: 'raft.snapshot',
  context: ({ input }) => input,
  initial: 'idle',
  states: {
    idle: {
      description: 'The latest snapshot, if there is one, is the newest this node knows of (thesis 5.1).',
      on: { WANTED: 'taking', OFFERED: { target: 'receiving', actions: 'begin' } },
    },
    taking: {
      description:
        'The state machine takes an image of what it holds; no entry is applied meanwhile (thesis 5.1.2). What the leader sends has to wait: OFFERED is ignored.',
      entry: 'takeImage',
      exit: 'resumeApplying',
      on: { IMAGE_TAKEN: 'saving', FAILED: { target: 'idle', actions: 'reportFailure' } },
    },
    saving: {
      description:
        'The image goes to the disk while entries are applied again. Nothing is dropped from the log before it is there whole (thesis 5.1.3).',
      on: {
        SAVED: { target: 'idle', actions: 'keep' },
        FAILED: { target: 'idle', actions: 'reportFailure' },
      },
    },
    receiving: {
      description:
        'The leader sends what this node lacks, piece by piece, each from where the one before ended (thesis 5.1, figure 5.3).',
      after: { silence: 'idle' },
      on: {
        PIECE_WRITTEN: { target: 'receiving', reenter: true },
        OFFERED: { target: 'receiving', reenter: true, actions: 'begin' },
        COMPLETE: 'checking',
        FAILED: { target: 'idle', actions: 'reportFailure' },
      },
    },
    checking: {
      description:
        'All bytes are there; they are synced and held against their checksum before anything rests on them (thesis 3.8, 5.1).',
      entry: 'check',
      on: {
        ACCEPTED: 'waiting',
        REFUSED: { target: 'idle', actions: 'refuse' },
        FAILED: { target: 'idle', actions: 'reportFailure' },
      },
    },
    waiting: {
      description:
        'The snapshot is durable. A batch that is with the state machine is let finish, and no other begins (thesis 5.1).',
      entry: 'holdApplying',
      on: {
        READY: 'beginningLog',
        OVERTAKEN: { target: 'idle', actions: ['adopt', 'resumeApplying'] },
      },
    },
    beginningLog: {
      description:
        'The log is made to begin behind the snapshot, on the disk too; what follows it stays if it matches (thesis 5.1, figure 5.3).',
      entry: 'beginLog',
      on: { LOG_BEGUN: 'installing' },
    },
    installing: {
      description:
        'The state machine takes the image in place of what it holds. A crash before it has done so is made good at the next start (thesis 5.1).',
      entry: 'install',
      exit: 'resumeApplying',
      on: { INSTALLED: { target: 'idle', actions: 'finish' } },
    },
  },
});
