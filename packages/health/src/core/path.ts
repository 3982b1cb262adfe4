/** What is known of one path: the window of its last probes, and figures smoothed over them. */
import type { HealthConfig } from '../config.ts';
import type { PathFigures } from './path.machine.ts';
import { SampleWindow } from './sample-window.ts';
import { scoreOf, type ScoreComponents } from './score.ts';

export type PathState = 'unknown' | 'up' | 'degraded' | 'down';

/** The quality of a path, over its last 100 probes. Figures are null while nothing was measured. */
export interface PathQuality {
  readonly peer: string;
  readonly state: PathState;
  /** Probes in the window that were answered: how much the figures are worth. */
  readonly samples: number;
  /** Probes in the window. */
  readonly probes: number;
  readonly averageMs: number | null;
  /**
   * The exact 99th percentile of the samples (nearest rank). With 100 samples that is the second largest, which lies between
   * the true 94.5th and 99.8th percentile of the path; with fewer than 100 it is the largest.
   */
  readonly p99Ms: number | null;
  readonly minMs: number | null;
  readonly maxMs: number | null;
  readonly lastMs: number | null;
  /** Exponentially smoothed round trip: what the state is decided on. */
  readonly smoothedMs: number | null;
  /** Smoothed difference between one round trip and the next (RFC 3550, 6.4.1). */
  readonly jitterMs: number | null;
  /** Lost probes in the window; a probe every 5 s sees loss coarsely. */
  readonly lossRatio: number | null;
  /** 0 useless … 1 perfect, by the E-model. */
  readonly score: number | null;
  /** What latency and loss take off a score of 1; each alone may exceed 1. */
  readonly components: ScoreComponents | null;
}

// RFC 3550 smooths jitter by a sixteenth.
const jitterAlpha = 1 / 16;

interface Smoothed {
  lastMs: number | null;
  smoothedMs: number | null;
  jitterMs: number;
  smoothedLoss: number;
  answeredInRow: number;
  lostInRow: number;
}

export interface PathCheckpoint extends Smoothed {
  readonly peer: string;
  readonly probe: number;
  readonly outcomes: readonly (number | null)[];
}

export class Path {
  readonly peer: string;
  readonly window: SampleWindow;
  /** The probe under way; 0 = none. */
  probe = 0;
  /** Of the window, kept for the mean over all paths. */
  averageMs: number | null = null;
  #figures: Smoothed = {
    lastMs: null,
    smoothedMs: null,
    jitterMs: 0,
    smoothedLoss: 0,
    answeredInRow: 0,
    lostInRow: 0,
  };

  constructor(peer: string, config: HealthConfig) {
    this.peer = peer;
    this.window = new SampleWindow(config.windowSize);
  }

  get answeredInRow(): number {
    return this.#figures.answeredInRow;
  }

  get lostInRow(): number {
    return this.#figures.lostInRow;
  }

  addAnswer(roundTripMs: number, { smoothing }: HealthConfig): void {
    const figures = this.#figures;
    if (figures.lastMs !== null)
      figures.jitterMs += jitterAlpha * (Math.abs(roundTripMs - figures.lastMs) - figures.jitterMs);
    figures.lastMs = roundTripMs;
    figures.smoothedMs =
      figures.smoothedMs === null
        ? roundTripMs
        : figures.smoothedMs + smoothing * (roundTripMs - figures.smoothedMs);
    figures.smoothedLoss -= smoothing * figures.smoothedLoss;
    figures.answeredInRow++;
    figures.lostInRow = 0;
    this.window.addAnswer(roundTripMs);
    this.averageMs = this.window.averageMs;
  }

  addLoss({ smoothing }: HealthConfig): void {
    const figures = this.#figures;
    figures.smoothedLoss += smoothing * (1 - figures.smoothedLoss);
    figures.lostInRow++;
    figures.answeredInRow = 0;
    this.window.addLoss();
    this.averageMs = this.window.averageMs;
  }

  figures(config: HealthConfig): PathFigures {
    return {
      latencyMs: this.#figures.smoothedMs ?? 0,
      latencyMaxMs: config.degradedLatencyMs,
      lossRatio: this.#figures.smoothedLoss,
      lossMax: config.degradedLossRatio,
      recoverRatio: config.recoverRatio,
    };
  }

  quality(state: PathState): PathQuality {
    const { window, averageMs } = this;
    const { lastMs, smoothedMs, jitterMs } = this.#figures;
    const { lossRatio } = window;
    const rated =
      lossRatio === null ? null : scoreOf(averageMs ?? 0, averageMs === null ? 0 : jitterMs, lossRatio);
    return {
      peer: this.peer,
      state,
      samples: window.answered,
      probes: window.probes,
      averageMs,
      p99Ms: window.percentileMs(0.99),
      minMs: window.minMs,
      maxMs: window.maxMs,
      lastMs,
      smoothedMs,
      jitterMs: lastMs === null ? null : jitterMs,
      lossRatio,
      score: rated?.score ?? null,
      components: rated?.components ?? null,
    };
  }

  checkpoint(): PathCheckpoint {
    return { peer: this.peer, probe: this.probe, outcomes: this.window.outcomes(), ...this.#figures };
  }

  restore({ peer: _peer, probe, outcomes, ...figures }: PathCheckpoint): void {
    this.probe = probe;
    this.window.restore(outcomes);
    this.averageMs = this.window.averageMs;
    this.#figures = figures;
  }
}
