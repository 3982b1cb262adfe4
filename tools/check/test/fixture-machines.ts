import { and, not, setup } from 'xstate';

/** Holds one of everything a diagram shows. */
export const everything = setup({
  guards: { isReady: () => true, isLate: () => false },
  actions: { openDoor: () => {}, closeDoor: (_, _params: { hard: boolean }) => {} },
  delays: { doorTimeout: 100 },
}).createMachine({
  id: 'swim.everything',
  initial: 'idle',
  on: { STOP: { target: '.end', actions: 'openDoor' }, TICK: { actions: 'openDoor' } },
  states: {
    idle: {
      description: 'Nobody has been asked yet: 50% of all time (SWIM §4.1); the rest follows.',
      entry: ['openDoor', { type: 'closeDoor', params: { hard: true } }],
      exit: 'openDoor',
      after: { doorTimeout: { target: 'busy', guard: and(['isReady', not('isLate')]) }, 500: 'end' },
      on: {
        IGNORED: {},
        PING: { actions: 'openDoor' },
        GO: [{ target: 'busy', guard: 'isReady' }, { target: 'both' }],
      },
    },
    busy: {
      initial: 'first',
      entry: 'openDoor',
      states: { first: { on: { NEXT: 'last' } }, last: { type: 'final' } },
      on: { SKIP: '.last' },
      onDone: 'both',
      always: { target: 'end', guard: 'isLate' },
    },
    both: {
      type: 'parallel',
      on: { TOCK: { actions: 'openDoor' } },
      states: {
        left: { initial: 'on', states: { on: { on: { FLIP: 'off' } }, off: {} } },
        right: { initial: 'on', states: { on: {} } },
      },
    },
    end: { type: 'final' },
  },
});
