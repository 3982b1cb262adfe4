/** The monitor people use: the core behind a driver, probes through a port, events to listeners, numbers to metrics. */
import {
  type Clock,
  type ClusterError,
  describeError,
  Driver,
  type Logger,
  silentLogger,
  type Tracer,
} from '@cluster/core';
import { type HealthConfig, type HealthConfigInput, parseHealthConfig } from './config.ts';
import { HealthCore } from './core/health-core.ts';
import type { HealthEffect, HealthEvent, HealthInput } from './core/messages.ts';
import type { PathQuality } from './core/path.ts';
import { healthBroken } from './errors.ts';
import { HealthMetrics } from './metrics.ts';
import type { HealthPorts, Prober } from './ports.ts';

export class HealthMonitor {
  readonly config: HealthConfig;
  readonly #core: HealthCore;
  readonly #driver: Driver<HealthInput, HealthEffect>;
  readonly #prober: Prober;
  readonly #metrics: HealthMetrics | null;
  readonly #logger: Logger;
  readonly #tracer: Tracer | undefined;
  readonly #listeners = new Set<(event: HealthEvent) => void>();
  readonly #unpublished: HealthEvent[] = [];
  #running = false;
  #bug: ClusterError | null = null;

  /** @throws ClusterError `HEALTH_CONFIG_INVALID` */
  constructor(config: HealthConfigInput, ports: HealthPorts) {
    this.config = parseHealthConfig(config);
    this.#core = new HealthCore(this.config, ports.seed);
    this.#prober = ports.prober;
    this.#metrics = ports.metrics ? new HealthMetrics(ports.metrics, this.config.pathsMax) : null;
    this.#logger = ports.logger ?? silentLogger;
    this.#tracer = ports.tracer;
    this.#driver = new Driver({
      node: this.config.nodeId ?? 'local',
      name: 'health',
      core: this.#core,
      clock: this.#publishingClock(ports.clock),
      execute: (effect) => this.#execute(effect),
      onBug: (error) => {
        this.#bug = healthBroken(error);
        this.#logger.log('error', this.#bug.line, { cause: describeError(error) });
      },
      tracer: ports.tracer,
    });
  }

  /**
   * Probes the path to a peer from now on. No effect on one that is watched.
   * @returns false when `pathsMax` paths are watched already (counted in `paths_refused`).
   * @throws ClusterError `HEALTH_BROKEN` after a bug in the monitor.
   */
  watch(peer: string): boolean {
    this.#dispatch({ type: 'WATCH', peer });
    return this.#core.has(peer);
  }

  /** Stops probing a path and forgets what is known of it. */
  unwatch(peer: string): void {
    this.#dispatch({ type: 'UNWATCH', peer });
    this.#metrics?.forget(peer);
  }

  /** Undefined for a path that is not watched. */
  quality(peer: string): PathQuality | undefined {
    return this.#core.quality(peer);
  }

  paths(): readonly PathQuality[] {
    return this.#core.paths();
  }

  /** Told of every change of a path's state, after the step that made it. Returns how to stop being told. */
  onEvent(listener: (event: HealthEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Sends no more probes. What was measured stays readable. Idempotent. */
  stop(): void {
    this.#driver.stop();
    this.#listeners.clear();
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  #dispatch(input: HealthInput): void {
    if (this.#bug !== null) throw this.#bug;
    this.#run(() => this.#driver.dispatch(input));
    // A step may have broken it.
    const bug = this.#bug as ClusterError | null;
    if (bug !== null) throw bug;
  }

  /** Runs steps, then tells of them: what listeners do, and what they throw, is no part of a step. */
  #run(steps: () => void): void {
    // A prober that completes at once calls in the middle of a step; the outer call tells.
    if (this.#running) return steps();
    this.#running = true;
    try {
      steps();
    } finally {
      this.#running = false;
    }
    this.#metrics?.setTotals(this.#core.size, this.#core.averageMs());
    this.#publish();
  }

  #execute(effect: HealthEffect): void {
    this.#metrics?.count(effect);
    switch (effect.type) {
      case 'sendProbe':
        return this.#probe(effect.peer, effect.probe);
      case 'answered':
      case 'lost':
        return this.#metrics?.setPath(effect.peer, this.#core.quality(effect.peer)?.score ?? null);
      case 'notify':
        this.#unpublished.push(effect.event);
        return;
      case 'ignored':
      case 'refused':
        return;
    }
  }

  #probe(peer: string, probe: number): void {
    const tracer = this.#tracer;
    const cause = tracer?.cause ?? null;
    const complete = (roundTripMs: number | null): void => {
      const step = (): void => this.#driver.dispatch({ type: 'PROBE_DONE', peer, probe, roundTripMs });
      // In the trace, the answer is a consequence of the probe, however much later it comes.
      this.#run(tracer ? () => tracer.within(cause, step) : step);
    };
    try {
      this.#prober.probe(peer, (outcome) => complete(outcome.ok ? outcome.value : null));
    } catch (error) {
      // The prober's own bug: the path counts as not answering, and the monitor goes on.
      this.#logger.log('error', 'the prober failed', { peer, error: describeError(error) });
      complete(null);
    }
  }

  #publish(): void {
    for (let event = this.#unpublished.shift(); event !== undefined; event = this.#unpublished.shift()) {
      for (const listener of this.#listeners) {
        try {
          listener(event);
        } catch (error) {
          const fields = { peer: event.peer, error: describeError(error) };
          this.#logger.log('error', 'a listener of the health monitor failed', fields);
        }
      }
    }
  }

  #publishingClock(clock: Clock): Clock {
    return {
      nowMs: () => clock.nowMs(),
      setTimer: (delayMs, fire) => clock.setTimer(delayMs, () => this.#run(fire)),
    };
  }
}
