/**
 * How far a change of members is (Raft thesis 4.1, 4.3). The configuration itself is a value in the log; this machine decides when the
 * next one may be begun, which is when the present one is committed, and when a joint one is left.
 */
import { effect } from '@cluster/core';
import { setup } from 'xstate';

export type ConfigurationEvent =
  /** A configuration of one set of voters came into effect, by an append or because what followed it was cut off. */
  | { readonly type: 'SIMPLE_IN_EFFECT' }
  /** One in which two majorities have to agree did. */
  | { readonly type: 'JOINT_IN_EFFECT' }
  /** The one in effect is committed. */
  | { readonly type: 'COMMITTED' }
  /** Members are to change, and this node leads. */
  | { readonly type: 'CHANGE_ASKED' }
  /** The joint configuration is to be left, and this node leads. */
  | { readonly type: 'LEAVE_ASKED' };

export const configurationMachine = setup({
  types: { events: {} as ConfigurationEvent },
  actions: {
    tellMembers: effect(),
    appendChange: effect(),
    appendLeave: effect(),
  },
}).createMachine({
  id: 'raft.configuration',
  initial: 'simple',
  states: {
    simple: {
      description: 'One set of voters decides (thesis 4.1).',
      initial: 'uncommitted',
      on: {
        SIMPLE_IN_EFFECT: { target: 'simple', reenter: true },
        JOINT_IN_EFFECT: 'joint',
      },
      states: {
        uncommitted: {
          description:
            'It counts already, and may be lost again: no further change is begun, so that any two majorities overlap (thesis 4.1).',
          on: { COMMITTED: 'committed' },
        },
        committed: {
          description: 'Agreed on for good. The next change may begin (thesis 4.1).',
          entry: 'tellMembers',
          on: { CHANGE_ASKED: { actions: 'appendChange' } },
        },
      },
    },
    joint: {
      description: 'Old and new voters both have to agree, on votes and on entries (thesis 4.3).',
      initial: 'uncommitted',
      on: {
        SIMPLE_IN_EFFECT: 'simple',
        JOINT_IN_EFFECT: { target: 'joint', reenter: true },
      },
      states: {
        uncommitted: {
          description: 'Until it is committed, the old voters alone may still decide otherwise (thesis 4.3).',
          on: { COMMITTED: 'committed' },
        },
        committed: {
          description:
            'It can be left now: by whoever leads, by itself when it was begun so, and when asked to otherwise (thesis 4.3).',
          entry: 'tellMembers',
          on: { LEAVE_ASKED: { actions: 'appendLeave' } },
        },
      },
    },
  },
});
