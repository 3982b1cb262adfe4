/**
 * How good a path is, from 0 to 1, by the E-model (ITU-T G.107) in the simplification network monitors use: latency costs
 * little up to 160 ms and steeply more beyond, jitter counts double, each per cent of loss costs 2.5 of 93.2 points.
 *
 * Deviation: R is divided by what a path without delay, jitter or loss reaches, so that such a path scores 1 and not 0.93,
 * and is never below 0 (the usual formula goes negative). Round trips stand in for one-way delay, which is on the safe side.
 */
const bestR = 93.2;
/** Added to the latency: what coding and queueing cost at the ends. */
const processingMs = 10;
const pointsPerLossPercent = 2.5;

/** What a score is made of: 1 − latency − loss, never below 0. */
export interface ScoreComponents {
  /** What latency and jitter take off. */
  readonly latency: number;
  /** What loss takes off. */
  readonly loss: number;
}

export interface Score {
  readonly score: number;
  readonly components: ScoreComponents;
}

const delayPoints = (effectiveMs: number): number =>
  effectiveMs < 160 ? effectiveMs / 40 : (effectiveMs - 120) / 10;

const perfect = bestR - delayPoints(processingMs);

/** @param lossRatio 0 … 1 */
export function scoreOf(latencyMs: number, jitterMs: number, lossRatio: number): Score {
  const delay = delayPoints(latencyMs + 2 * jitterMs + processingMs) - delayPoints(processingMs);
  const components = { latency: delay / perfect, loss: (pointsPerLossPercent * 100 * lossRatio) / perfect };
  return { score: Math.max(0, 1 - components.latency - components.loss), components };
}
