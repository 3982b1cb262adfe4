import type { LoadReport } from './core/endpoint.ts';
import type { RouteReason } from './core/messages.ts';

/** How a routed query went. */
export interface Outcome {
  /** False for what is the endpoint's fault (refused, timed out, broken); an answer that says "no such table" is ok. null: not known. */
  readonly ok: boolean | null;
  /** Default: the time since the pick. */
  readonly latencyMs?: number | undefined;
  /** What the endpoint said of its load in the answer. */
  readonly load?: LoadReport | undefined;
}

/** A query's endpoint. Holds one request in flight there until `done`, disposal or expiry, whichever is first. */
export class Route {
  readonly nodeId: string;
  /** `probe`: it has failed before and is on trial; `panic`: no candidate is healthy. */
  readonly reason: RouteReason;
  #close: ((outcome: Outcome) => void) | null;

  constructor(nodeId: string, reason: RouteReason, close: (outcome: Outcome) => void) {
    this.nodeId = nodeId;
    this.reason = reason;
    this.#close = close;
  }

  /** Only the first call counts. */
  done(outcome: Outcome): void {
    const close = this.#close;
    this.#close = null;
    close?.(outcome);
  }

  /** A route that was not reported closes without an opinion. */
  [Symbol.dispose](): void {
    this.done({ ok: null });
  }
}
