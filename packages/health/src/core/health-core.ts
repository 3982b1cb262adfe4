/**
 * Path health without I/O: sends a probe along every watched path once an interval, and files what becomes of it.
 *
 * At most one probe of a path is under way, named by a number that is never used again, so that a completion which comes
 * late, twice, or for a path that was meanwhile unwatched and watched anew, finds nothing to complete.
 */
import {
  type ActionOf,
  MachineTable,
  packPlain,
  Prng,
  type ProtocolCore,
  type Sink,
  Stepper,
  type TimerInput,
  unpackPlain,
  unreachable,
} from '@cluster/core';
import type { HealthConfig } from '../config.ts';
import type { HealthEffect, HealthInput, LossCause } from './messages.ts';
import { pathMachine } from './path.machine.ts';
import { Path, type PathCheckpoint, type PathQuality, type PathState } from './path.ts';

type Out = Sink<HealthEffect>;

const probeTimer = 'probe/';
const timeoutTimer = 'timeout/';

export class HealthCore implements ProtocolCore<HealthInput, HealthEffect> {
  readonly #config: HealthConfig;
  readonly #prng: Prng;
  readonly #machines: MachineTable<typeof pathMachine, HealthEffect>;
  readonly #paths = new Map<string, Path>();
  #probes = 0;

  constructor(config: HealthConfig, seed: number) {
    this.#config = config;
    this.#prng = Prng.fromSeed(seed, 'health');
    this.#machines = new MachineTable('path', new Stepper(pathMachine), (peer, action, nowMs, out) =>
      this.#perform(peer, action, nowMs, out),
    );
  }

  get size(): number {
    return this.#paths.size;
  }

  has(peer: string): boolean {
    return this.#paths.has(peer);
  }

  quality(peer: string): PathQuality | undefined {
    return this.#paths.get(peer)?.quality(this.#machines.state(peer) as PathState);
  }

  paths(): readonly PathQuality[] {
    return Array.from(this.#paths.keys(), (peer) => this.quality(peer) as PathQuality);
  }

  /** The mean over the paths of their average round trips; null while none is measured. */
  averageMs(): number | null {
    let [sum, measured] = [0, 0];
    for (const { averageMs } of this.#paths.values()) {
      if (averageMs === null) continue;
      sum += averageMs;
      measured++;
    }
    return measured === 0 ? null : sum / measured;
  }

  handle(input: HealthInput | TimerInput, nowMs: number, out: Out): void {
    switch (input.type) {
      case 'WATCH':
        return this.#watch(input.peer, nowMs, out);
      case 'UNWATCH':
        return this.#unwatch(input.peer, out);
      case 'PROBE_DONE':
        return this.#probeDone(input.peer, input.probe, input.roundTripMs, nowMs, out);
      case 'TIMER':
        return this.#timerFired(input.timer, nowMs, out);
      default:
        return unreachable(input);
    }
  }

  #watch(peer: string, nowMs: number, out: Out): void {
    if (this.#paths.has(peer)) return;
    if (this.#paths.size >= this.#config.pathsMax) return out.emit({ type: 'refused', peer });
    this.#paths.set(peer, new Path(peer, this.#config));
    this.#machines.add(peer, nowMs, out);
    // Soon, but not all at once when many paths are watched together.
    const delayMs = this.#prng.float() * this.#config.jitter * this.#config.intervalMs;
    out.emit({ type: 'setTimer', timer: probeTimer + peer, delayMs });
  }

  #unwatch(peer: string, out: Out): void {
    if (!this.#paths.delete(peer)) return;
    this.#machines.remove(peer, out);
    out.emit({ type: 'cancelTimer', timer: probeTimer + peer });
    out.emit({ type: 'cancelTimer', timer: timeoutTimer + peer });
  }

  #timerFired(timer: string, nowMs: number, out: Out): void {
    const isProbe = timer.startsWith(probeTimer);
    const path = this.#paths.get(timer.slice((isProbe ? probeTimer : timeoutTimer).length));
    if (path === undefined) return;
    // A clock may fire the next probe before the timeout of the last one: that one has had its time.
    if (path.probe !== 0) this.#lost(path, 'timeout', nowMs, out);
    if (isProbe) this.#probe(path, out);
  }

  #probe(path: Path, out: Out): void {
    const { intervalMs, jitter, timeoutMs } = this.#config;
    const { peer } = path;
    path.probe = ++this.#probes;
    const delayMs = intervalMs * (1 + jitter * (2 * this.#prng.float() - 1));
    out.emit({ type: 'setTimer', timer: probeTimer + peer, delayMs });
    out.emit({ type: 'setTimer', timer: timeoutTimer + peer, delayMs: timeoutMs });
    out.emit({ type: 'sendProbe', peer, probe: path.probe });
  }

  #probeDone(peer: string, probe: number, roundTripMs: number | null, nowMs: number, out: Out): void {
    const path = this.#paths.get(peer);
    if (path === undefined || path.probe !== probe) return out.emit({ type: 'ignored' });
    out.emit({ type: 'cancelTimer', timer: timeoutTimer + peer });
    if (roundTripMs === null) return this.#lost(path, 'error', nowMs, out);
    if (!(roundTripMs >= 0 && roundTripMs < Infinity)) return this.#lost(path, 'invalid', nowMs, out);
    path.probe = 0;
    path.addAnswer(roundTripMs, this.#config);
    out.emit({ type: 'answered', peer, roundTripMs });
    const { answeredInRow: answered } = path;
    const event = { type: 'PROBE_ANSWERED', answered, rise: this.#config.rise } as const;
    this.#machines.send(peer, { ...event, ...path.figures(this.#config) }, nowMs, out);
  }

  #lost(path: Path, cause: LossCause, nowMs: number, out: Out): void {
    path.probe = 0;
    path.addLoss(this.#config);
    out.emit({ type: 'lost', peer: path.peer, cause });
    const event = { type: 'PROBE_LOST', lost: path.lostInRow, fall: this.#config.fall } as const;
    this.#machines.send(path.peer, { ...event, ...path.figures(this.#config) }, nowMs, out);
  }

  #perform(peer: string, action: ActionOf<typeof pathMachine>, nowMs: number, out: Out): void {
    const type = ({ reportUp: 'Up', reportDegraded: 'Degraded', reportDown: 'Down' } as const)[action.type];
    out.emit({ type: 'notify', event: { type, peer, atMs: nowMs } });
  }

  checkpoint(): Uint8Array {
    const state: CoreState = {
      probes: this.#probes,
      prng: this.#prng.state,
      machines: this.#machines.checkpoint(),
      paths: Array.from(this.#paths.values(), (path) => path.checkpoint()),
    };
    return packPlain(state);
  }

  restore(bytes: Uint8Array): void {
    const state = unpackPlain(bytes) as CoreState;
    this.#probes = state.probes;
    this.#prng.restore(state.prng);
    this.#machines.restore(state.machines);
    this.#paths.clear();
    for (const saved of state.paths) {
      const path = new Path(saved.peer, this.#config);
      path.restore(saved);
      this.#paths.set(saved.peer, path);
    }
  }
}

interface CoreState {
  readonly probes: number;
  readonly prng: Prng['state'];
  readonly machines: ReturnType<MachineTable<typeof pathMachine, HealthEffect>['checkpoint']>;
  readonly paths: readonly PathCheckpoint[];
}
