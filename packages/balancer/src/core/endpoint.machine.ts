/**
 * May an endpoint be routed to? One machine per endpoint, context-free: counts and limits arrive in the events.
 *
 * It is a circuit breaker that thinks of the others: an endpoint leaves only while the rest can carry its load, because a
 * pool pushed past its capacity fails as a whole, which costs more than the errors of one node.
 */
import { effect } from '@cluster/core';
import { setup } from 'xstate';

/** The n-th ejection in a row and how long it lasts. */
export interface Ejection {
  readonly ejection: number;
  readonly ejectionMs: number;
}

/** What the pool would look like without this endpoint, beside what is allowed. */
export interface RestOfPool {
  /** Endpoints that stay in use. */
  readonly healthyOthers: number;
  /** Endpoints out already, and the most that may be. */
  readonly ejectedOthers: number;
  readonly ejectedMax: number;
  /** Utilisation of those that stay once they carry this one's load; null where it carries none, or nobody reports. */
  readonly projectedUtilization: number | null;
  readonly utilizationMax: number;
}

export type EndpointEvent =
  | ({ readonly type: 'ERRORS_REPEATED' } & Ejection & RestOfPool)
  | { readonly type: 'PROBE_SUCCEEDED' }
  | ({ readonly type: 'PROBE_FAILED' } & Ejection)
  | { readonly type: 'DRAIN' }
  | { readonly type: 'RESUME' };

const ejectionOf = ({ event }: { readonly event: Ejection }): Ejection => ({
  ejection: event.ejection,
  ejectionMs: event.ejectionMs,
});

export const endpointMachine = setup({
  types: { events: {} as EndpointEvent },
  guards: {
    restCanCarryTheLoad: ({ event }) =>
      event.type === 'ERRORS_REPEATED' &&
      event.healthyOthers >= 1 &&
      event.ejectedOthers < event.ejectedMax &&
      (event.projectedUtilization ?? 0) <= event.utilizationMax,
  },
  delays: {
    ejectionTime: ({ event }) => ('ejectionMs' in event ? event.ejectionMs : 0),
  },
  actions: {
    startEjection: effect<Ejection>(),
    reportRefusal: effect(),
    awaitProbe: effect(),
    welcomeBack: effect(),
    reportDrain: effect(),
  },
}).createMachine({
  id: 'balancer.endpoint',
  initial: 'healthy',
  states: {
    healthy: {
      description: 'In use: the strategy may choose it.',
      on: {
        ERRORS_REPEATED: [
          {
            guard: 'restCanCarryTheLoad',
            target: 'ejected',
            actions: { type: 'startEjection', params: ejectionOf },
          },
          { actions: 'reportRefusal' },
        ],
        DRAIN: 'draining',
      },
    },
    ejected: {
      description: 'Out of use after repeated errors, for a time that grows with each ejection in a row.',
      after: { ejectionTime: 'probing' },
      on: {
        // ERRORS_REPEATED: queries routed before the ejection are still failing; that is known already.
        DRAIN: 'draining',
      },
    },
    probing: {
      description: 'Half open: one query at a time is let through, and its outcome decides.',
      entry: 'awaitProbe',
      on: {
        // ERRORS_REPEATED: only the probe decides, not what was routed before the ejection.
        PROBE_SUCCEEDED: { target: 'healthy', actions: 'welcomeBack' },
        PROBE_FAILED: { target: 'ejected', actions: { type: 'startEjection', params: ejectionOf } },
        DRAIN: 'draining',
      },
    },
    draining: {
      description: 'Gets no new queries; those under way may finish.',
      entry: 'reportDrain',
      on: {
        // ERRORS_REPEATED, PROBE_SUCCEEDED, PROBE_FAILED: it is out of use whatever its last queries come to.
        RESUME: 'probing',
      },
    },
  },
});
