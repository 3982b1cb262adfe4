/**
 * How long a suspicion lasts (Lifeguard, LHA-Suspicion).
 *
 * It starts at the upper bound, for the accuser may be the slow one, and falls towards the lower bound with the logarithm of the
 * number of independent confirmations. The lower bound grows with log10 of the pool, because a refutation needs that many more
 * gossip rounds to get about.
 */
export interface SuspicionBounds {
  readonly minMs: number;
  readonly maxMs: number;
  /** Confirmations that bring it to `minMs`. */
  readonly confirmations: number;
}

export interface SuspicionSettings {
  readonly suspicionMult: number;
  readonly suspicionMaxMult: number;
  readonly suspicionConfirmations: number;
  readonly probePeriodMs: number;
  /** Upper bound of every suspicion, whatever the formula says. */
  readonly suspectTimeoutMs: number;
}

/** @param members alive or suspect, ourselves and the accused included. */
export function suspicionBounds(settings: SuspicionSettings, members: number): SuspicionBounds {
  const scale = Math.max(1, Math.log10(Math.max(1, members)));
  const floorMs = settings.suspicionMult * scale * settings.probePeriodMs;
  const minMs = Math.min(floorMs, settings.suspectTimeoutMs);
  const maxMs = Math.min(settings.suspicionMaxMult * floorMs, settings.suspectTimeoutMs);
  // Neither the accused nor the first accuser can confirm: with fewer others than are asked for, do not wait for any.
  const canConfirm = members - 2 >= settings.suspicionConfirmations;
  return { minMs, maxMs, confirmations: canConfirm ? settings.suspicionConfirmations : 0 };
}

/** @param confirmed independent accusers after the first. */
export function suspicionTimeoutMs(
  { minMs, maxMs, confirmations }: SuspicionBounds,
  confirmed: number,
): number {
  if (confirmations < 1) return minMs;
  const fraction = Math.log(confirmed + 1) / Math.log(confirmations + 1);
  return Math.max(minMs, maxMs - fraction * (maxMs - minMs));
}

/** A suspicion under way, as a row of the member table keeps it. */
export interface Suspicion {
  readonly startedAtMs: number;
  readonly bounds: SuspicionBounds;
  /** The first accuser, then those who confirmed; never more than count. */
  readonly accusers: readonly string[];
}

/** Counts another accuser; the same suspicion when it does not count. */
export function confirm(suspicion: Suspicion, accuser: string): Suspicion {
  const { accusers, bounds } = suspicion;
  if (accusers.length > bounds.confirmations || accusers.includes(accuser)) return suspicion;
  return { ...suspicion, accusers: [...accusers, accuser] };
}

/** What is left of it; 0 when it is overdue, as a late confirmation can make it. */
export function remainingMs({ startedAtMs, bounds, accusers }: Suspicion, nowMs: number): number {
  return Math.max(0, startedAtMs + suspicionTimeoutMs(bounds, accusers.length - 1) - nowMs);
}
