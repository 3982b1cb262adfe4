/** What goes into the core and what comes out of it: plain data, so that all of it can be recorded and replayed. */
export type HealthInput =
  | { readonly type: 'WATCH'; readonly peer: string }
  | { readonly type: 'UNWATCH'; readonly peer: string }
  /** `roundTripMs` is null when the prober says there was no answer. */
  | {
      readonly type: 'PROBE_DONE';
      readonly peer: string;
      readonly probe: number;
      readonly roundTripMs: number | null;
    };

export type LossCause = 'timeout' | 'error' | 'invalid';

/** The state of a path has changed. */
export interface HealthEvent {
  readonly type: 'Up' | 'Degraded' | 'Down';
  readonly peer: string;
  /** Monotonic. */
  readonly atMs: number;
}

export type HealthEffect =
  | { readonly type: 'sendProbe'; readonly peer: string; readonly probe: number }
  | { readonly type: 'answered'; readonly peer: string; readonly roundTripMs: number }
  | { readonly type: 'lost'; readonly peer: string; readonly cause: LossCause }
  /** A completion of a probe that is over: late, a duplicate, or of a path no longer watched. */
  | { readonly type: 'ignored' }
  /** The table is full. */
  | { readonly type: 'refused'; readonly peer: string }
  | { readonly type: 'notify'; readonly event: HealthEvent };
