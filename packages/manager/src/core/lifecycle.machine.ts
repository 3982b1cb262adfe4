/**
 * The life of a manager. It decides what start, join, leave and stop may do now, and whether ordinary calls are let in: the
 * gate opens on entering `running` and closes on leaving it, so a call costs a boolean, not an event.
 */
import { effect } from '@cluster/core';
import { setup } from 'xstate';

export type Command = 'start' | 'join' | 'leave' | 'stop';

export type LifecycleEvent =
  | { readonly type: 'START' }
  | { readonly type: 'OPENED' }
  | { readonly type: 'OPEN_FAILED' }
  | { readonly type: 'JOIN' }
  | { readonly type: 'JOINED' }
  | { readonly type: 'JOIN_FAILED' }
  | { readonly type: 'MEMBER_SEEN' }
  | { readonly type: 'LEAVE' }
  | { readonly type: 'LEFT' }
  | { readonly type: 'STOP' }
  | { readonly type: 'CLOSED' }
  | { readonly type: 'COMPONENT_FAILED' };

export interface LifecycleInput {
  readonly leaveTimeoutMs: number;
  readonly stopTimeoutMs: number;
}

export const lifecycleMachine = setup({
  types: {
    context: {} as LifecycleInput,
    input: {} as LifecycleInput,
    events: {} as LifecycleEvent,
  },
  actions: {
    openComponents: effect(),
    contactSeeds: effect(),
    announceLeave: effect(),
    closeComponents: effect(),
    openGate: effect(),
    closeGate: effect(),
    refuse: effect<{ command: Command }>(),
  },
  delays: {
    leaveTimeout: ({ context }) => context.leaveTimeoutMs,
    stopTimeout: ({ context }) => context.stopTimeoutMs,
  },
}).createMachine({
  id: 'manager.lifecycle',
  context: ({ input }) => input,
  initial: 'created',
  // What a state does not answer itself is refused; completions that come too late are ignored.
  on: {
    START: { actions: { type: 'refuse', params: { command: 'start' } } },
    JOIN: { actions: { type: 'refuse', params: { command: 'join' } } },
    LEAVE: { actions: { type: 'refuse', params: { command: 'leave' } } },
  },
  states: {
    created: {
      description: 'Configured; holds no socket, file or timer.',
      on: { START: 'starting', STOP: 'stopped' },
    },
    starting: {
      description: 'Opening transport, membership and log; all of it or nothing.',
      entry: 'openComponents',
      on: { OPENED: 'running', OPEN_FAILED: 'failed', STOP: 'stopping' },
    },
    running: {
      description: 'Open and answering calls.',
      entry: 'openGate',
      exit: 'closeGate',
      initial: 'alone',
      on: { LEAVE: 'leaving', STOP: 'stopping', COMPONENT_FAILED: 'failed' },
      states: {
        alone: {
          description: 'Knows no other member.',
          on: { JOIN: 'joining', MEMBER_SEEN: 'member' },
        },
        joining: {
          description: 'Asking seeds for the members. Others may be heard of before the seeds have answered.',
          entry: 'contactSeeds',
          on: {
            JOINED: 'member',
            JOIN_FAILED: 'alone',
            // JOIN: one at a time; the second caller is refused by the root.
          },
        },
        member: {
          description: 'Has met other members; they may all be dead by now.',
          // More seeds may be asked at any time; how that ends changes nothing here.
          on: { JOIN: { actions: 'contactSeeds' } },
        },
      },
    },
    leaving: {
      description: 'Telling the others that it goes, before anything closes.',
      entry: 'announceLeave',
      after: { leaveTimeout: 'left' },
      on: { LEFT: 'left', STOP: 'stopping' },
    },
    left: {
      description: 'No member any more; sockets are still open so that the last messages drain.',
      on: { STOP: 'stopping' },
    },
    stopping: {
      description: 'Closing every component in the reverse order of opening.',
      entry: 'closeComponents',
      after: { stopTimeout: 'stopped' },
      on: { CLOSED: 'stopped' },
    },
    stopped: {
      description: 'Holds nothing. The end.',
    },
    failed: {
      description: 'Could not open, or lost a component it cannot do without; what was open has been closed.',
      entry: 'closeComponents',
      on: { STOP: 'stopping' },
    },
  },
});
