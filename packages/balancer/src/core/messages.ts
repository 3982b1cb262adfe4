/** What goes into the core and what comes out of it: plain data, so that all of it can be recorded and replayed. */
import type { StrategyName } from '../config.ts';
import type { EndpointInput, LoadReport } from './endpoint.ts';

export type BalancerInput =
  | { readonly type: 'SET_ENDPOINTS'; readonly endpoints: readonly EndpointInput[] }
  | { readonly type: 'SET_STRATEGY'; readonly strategy: StrategyName }
  | {
      readonly type: 'PICK';
      readonly key?: string;
      readonly readOnly?: boolean;
      readonly candidates?: readonly string[];
      readonly exclude?: readonly string[];
      /** What the replica map said of the key; absent = any node. */
      readonly replicas?: readonly string[];
    }
  | {
      readonly type: 'OUTCOME';
      readonly route: number;
      /** null: nobody knows. */
      readonly ok: boolean | null;
      /** Absent: the time since the pick. */
      readonly latencyMs?: number;
      readonly load?: LoadReport;
    }
  | { readonly type: 'REPORT'; readonly nodeId: string; readonly load: LoadReport }
  | { readonly type: 'DRAIN'; readonly nodeId: string }
  | { readonly type: 'RESUME'; readonly nodeId: string };

/** Why an endpoint was chosen: by the strategy, to find out whether it works again, or because none is healthy. */
export type RouteReason = 'strategy' | 'probe' | 'panic';

/** A change of an endpoint's mode, or one that was asked for and refused. */
export type BalancerEvent =
  | {
      readonly type: 'Ejected';
      readonly nodeId: string;
      readonly ejection: number;
      readonly ejectionMs: number;
    }
  | { readonly type: 'EjectionRefused'; readonly nodeId: string }
  | { readonly type: 'Probing'; readonly nodeId: string }
  | { readonly type: 'Restored'; readonly nodeId: string }
  | { readonly type: 'Draining'; readonly nodeId: string };

export type BalancerEffect =
  | {
      readonly type: 'routed';
      readonly route: number;
      readonly nodeId: string;
      readonly strategy: StrategyName;
      readonly reason: RouteReason;
      /** Own requests in flight there, this one included. */
      readonly inFlight: number;
    }
  /** No endpoint may take the query. */
  | { readonly type: 'notRouted' }
  /** A route was closed; `inFlight` own requests are left. */
  | { readonly type: 'closed'; readonly nodeId: string; readonly inFlight: number }
  | { readonly type: 'expired'; readonly nodeId: string; readonly cause: 'time' | 'overflow' }
  | { readonly type: 'ignored'; readonly what: 'outcome' | 'report' }
  | { readonly type: 'notify'; readonly event: BalancerEvent };
