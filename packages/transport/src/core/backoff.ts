/**
 * How long to wait before the next dial: full jitter (Brooker, "Exponential Backoff And Jitter", AWS 2015), the variant with the
 * least competing work; the spread also keeps two peers from dialling each other in step.
 */
export interface BackoffBounds {
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
}

/** @param failures how many dials have failed in a row. @param draw uniform in [0, 1). */
export function backoffDelayMs(failures: number, draw: number, bounds: BackoffBounds): number {
  const ceiling = Math.min(bounds.backoffMaxMs, bounds.backoffMinMs * 2 ** Math.min(failures, 30));
  return Math.max(1, Math.floor(draw * ceiling));
}
