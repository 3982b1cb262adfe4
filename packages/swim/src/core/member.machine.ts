/**
 * What we believe of one other member (SWIM 4.2: the suspicion subprotocol and its incarnation numbers).
 *
 * The machine has no context: incarnation, address and accusers are columns of the member table, and an event brings with it the
 * few facts a decision needs. A claim is believed by its incarnation alone: `alive` must be newer than what is known, `suspect`
 * and `dead` at least as new, so that the order in which gossip arrives does not matter.
 */
import { effect } from '@cluster/core';
import { setup } from 'xstate';
import type { Alive, Dead, Suspect } from './messages.ts';

export type MemberNotice = 'Joined' | 'Updated';

export type MemberEvent =
  | {
      readonly type: 'ALIVE_HEARD';
      readonly claim: Alive;
      /** The incarnation on record. */
      readonly known: number;
      /** From another address than the one on record. */
      readonly elsewhere: boolean;
      /** Dead or gone for so long that the name may be taken at another address. */
      readonly reclaimable: boolean;
    }
  /** Somebody still answers to the name at the address on record of one that has left; `claim` says that it is elsewhere. */
  | { readonly type: 'OLD_PLACE_ANSWERED'; readonly claim: Alive }
  | { readonly type: 'OLD_PLACE_SILENT'; readonly claim: Alive }
  | {
      readonly type: 'SUSPECT_HEARD';
      readonly claim: Suspect;
      readonly known: number;
      /** An accuser who has not been counted for this suspicion. */
      readonly isNewAccuser: boolean;
      /** What is left of the suspicion once this accusation counts. */
      readonly timeoutMs: number;
      /** A whole suspicion: what an accusation of a newer incarnation starts. */
      readonly freshTimeoutMs: number;
    }
  | { readonly type: 'DEAD_HEARD'; readonly claim: Dead; readonly known: number }
  | { readonly type: 'LEFT_HEARD'; readonly claim: Dead; readonly known: number }
  | { readonly type: 'REAP_DUE' };

type Claimed = Extract<MemberEvent, { known: number }>;

const newer = (event: Claimed): boolean => event.claim.incarnation > event.known;
const notOlder = (event: Claimed): boolean => event.claim.incarnation >= event.known;
const aliveClaim = ({ event }: { event: MemberEvent }): Alive =>
  (event as Extract<MemberEvent, { type: 'ALIVE_HEARD' | 'OLD_PLACE_ANSWERED' | 'OLD_PLACE_SILENT' }>).claim;
const suspectClaim = ({ event }: { event: MemberEvent }): { claim: Suspect } => ({
  claim: (event as Extract<MemberEvent, { type: 'SUSPECT_HEARD' }>).claim,
});
const deadClaim = ({ event }: { event: MemberEvent }): { claim: Dead } => ({
  claim: (event as Extract<MemberEvent, { type: 'DEAD_HEARD' | 'LEFT_HEARD' }>).claim,
});

export const memberMachine = setup({
  types: { events: {} as MemberEvent },
  actions: {
    /** Takes over the claim's record and spreads it; `notice` is what the reader of events hears, if anything differs. */
    acceptAlive: effect<{ claim: Alive; notice: MemberNotice }>(),
    reportConflict: effect<{ claim: Alive }>(),
    /** Answered by OLD_PLACE_ANSWERED or OLD_PLACE_SILENT, or by nothing when it cannot be asked now. */
    askOldPlace: effect<{ claim: Alive }>(),
    startSuspicion: effect<{ claim: Suspect }>(),
    confirmSuspicion: effect<{ claim: Suspect }>(),
    acceptDeath: effect<{ claim: Dead }>(),
    acceptLeave: effect<{ claim: Dead }>(),
    /** Our own verdict: the suspicion has run out. */
    declareDead: effect(),
    forget: effect(),
  },
  guards: {
    claimIsNewer: ({ event }) => newer(event as Claimed),
    claimIsNotOlder: ({ event }) => notOlder(event as Claimed),
    addressDiffers: ({ event }) => event.type === 'ALIVE_HEARD' && event.elsewhere,
    nameIsTaken: ({ event }) => event.type === 'ALIVE_HEARD' && event.elsewhere && !event.reclaimable,
    claimIsNewerOrAddressDiffers: ({ event }) =>
      event.type === 'ALIVE_HEARD' && (event.elsewhere || newer(event)),
    accuserIsNew: ({ event }) => event.type === 'SUSPECT_HEARD' && event.isNewAccuser && notOlder(event),
  },
  delays: {
    suspicionTimeout: ({ event }) => {
      if (event.type !== 'SUSPECT_HEARD') return 0;
      return newer(event) ? event.freshTimeoutMs : event.timeoutMs;
    },
  },
}).createMachine({
  id: 'swim.member',
  initial: 'alive',
  states: {
    alive: {
      description: 'It answers, or nobody has said otherwise of its latest incarnation.',
      on: {
        ALIVE_HEARD: [
          {
            guard: 'addressDiffers',
            actions: { type: 'reportConflict', params: (args) => ({ claim: aliveClaim(args) }) },
          },
          {
            guard: 'claimIsNewer',
            actions: {
              type: 'acceptAlive',
              params: (args) => ({ claim: aliveClaim(args), notice: 'Updated' as const }),
            },
          },
        ],
        SUSPECT_HEARD: {
          guard: 'claimIsNotOlder',
          target: 'suspect',
          actions: { type: 'startSuspicion', params: suspectClaim },
        },
        DEAD_HEARD: {
          guard: 'claimIsNotOlder',
          target: 'dead',
          actions: { type: 'acceptDeath', params: deadClaim },
        },
        LEFT_HEARD: {
          guard: 'claimIsNotOlder',
          target: 'left',
          actions: { type: 'acceptLeave', params: deadClaim },
        },
      },
    },
    suspect: {
      description:
        'Somebody could not reach it; it may refute with a higher incarnation until the suspicion runs out (SWIM 4.2). ' +
        'Each independent accuser shortens the wait (Lifeguard, LHA-Suspicion).',
      after: { suspicionTimeout: { target: 'dead', actions: 'declareDead' } },
      on: {
        ALIVE_HEARD: [
          {
            guard: 'addressDiffers',
            actions: { type: 'reportConflict', params: (args) => ({ claim: aliveClaim(args) }) },
          },
          {
            guard: 'claimIsNewer',
            target: 'alive',
            actions: {
              type: 'acceptAlive',
              params: (args) => ({ claim: aliveClaim(args), notice: 'Updated' as const }),
            },
          },
        ],
        SUSPECT_HEARD: [
          // It has refuted in between, unheard by us: the new accusation is due its whole time.
          // Deviation: memberlist counts this as a confirmation of the old one and would declare the old incarnation dead.
          {
            guard: 'claimIsNewer',
            target: 'suspect',
            reenter: true,
            actions: { type: 'startSuspicion', params: suspectClaim },
          },
          {
            guard: 'accuserIsNew',
            target: 'suspect',
            reenter: true,
            actions: { type: 'confirmSuspicion', params: suspectClaim },
          },
        ],
        DEAD_HEARD: {
          guard: 'claimIsNotOlder',
          target: 'dead',
          actions: { type: 'acceptDeath', params: deadClaim },
        },
        LEFT_HEARD: {
          guard: 'claimIsNotOlder',
          target: 'left',
          actions: { type: 'acceptLeave', params: deadClaim },
        },
      },
    },
    dead: {
      description: 'Declared dead; kept for a while so that old gossip cannot revive it, and it may refute.',
      on: {
        ALIVE_HEARD: [
          {
            guard: 'nameIsTaken',
            actions: { type: 'reportConflict', params: (args) => ({ claim: aliveClaim(args) }) },
          },
          {
            guard: 'claimIsNewerOrAddressDiffers',
            target: 'alive',
            actions: {
              type: 'acceptAlive',
              params: (args) => ({ claim: aliveClaim(args), notice: 'Joined' as const }),
            },
          },
        ],
        // Who missed its goodbye took its silence for a death: all must end with the same word for it, and it knows best.
        LEFT_HEARD: {
          guard: 'claimIsNotOlder',
          target: 'left',
          actions: { type: 'acceptLeave', params: deadClaim },
        },
        REAP_DUE: { target: 'reaped', actions: 'forget' },
        // SUSPECT_HEARD, DEAD_HEARD: nothing is worse than dead, and said once is enough.
      },
    },
    left: {
      description:
        'It said goodbye; its name is free at another address as soon as nobody answers at the old one.',
      on: {
        ALIVE_HEARD: [
          // Deviation: memberlist believes at once. Whoever can forge a goodbye and an address would have the name with one packet,
          // and what its bearer says after that comes from another address than the one on record.
          {
            guard: 'nameIsTaken',
            actions: { type: 'askOldPlace', params: (args) => ({ claim: aliveClaim(args) }) },
          },
          {
            guard: 'claimIsNewerOrAddressDiffers',
            target: 'alive',
            actions: {
              type: 'acceptAlive',
              params: (args) => ({ claim: aliveClaim(args), notice: 'Joined' as const }),
            },
          },
        ],
        OLD_PLACE_SILENT: {
          target: 'alive',
          actions: {
            type: 'acceptAlive',
            params: (args) => ({ claim: aliveClaim(args), notice: 'Joined' as const }),
          },
        },
        OLD_PLACE_ANSWERED: {
          actions: { type: 'reportConflict', params: (args) => ({ claim: aliveClaim(args) }) },
        },
        REAP_DUE: { target: 'reaped', actions: 'forget' },
        // SUSPECT_HEARD, DEAD_HEARD, LEFT_HEARD: it cannot fail any more.
      },
    },
    reaped: {
      type: 'final',
      description: 'Forgotten: its row is gone.',
    },
  },
});
