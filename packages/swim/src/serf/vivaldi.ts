/**
 * Network coordinates (Vivaldi, SIGCOMM 2004, with Serf's additions): every member keeps a point such that the distance between two
 * points estimates the round trip between their members, also where they have never measured it.
 *
 * A measurement pulls or pushes our point along the line to the other's, the harder the surer the other is. The height stands for the
 * access link, which no plane can hold; the adjustment for what is left on average (Lee et al.); a slight gravity keeps the whole
 * cloud from drifting off; a median over three measurements swallows single delays.
 */
import type { Prng } from '@cluster/core';

/** Seconds throughout, as the wire has it. */
export interface Coordinate {
  readonly vec: readonly number[];
  readonly error: number;
  readonly adjustment: number;
  readonly height: number;
}

export const dimensions = 8;
const errorMax = 1.5;
const errorGain = 0.25;
const forceGain = 0.25;
const adjustmentWindow = 20;
const heightMin = 10e-6;
const gravityRho = 150;
const roundTripMax = 10;
const tiny = 1e-6;

export const origin: Coordinate = {
  vec: Array<number>(dimensions).fill(0),
  error: errorMax,
  adjustment: 0,
  height: heightMin,
};

/** How far apart two points are. Loops here and below: each answer to a ping asks it several times. */
function apart(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < dimensions; i++) sum += ((a[i] as number) - (b[i] as number)) ** 2;
  return Math.sqrt(sum);
}

export function isValid({ vec, error, adjustment, height }: Coordinate): boolean {
  // What is not finite makes the sum so.
  let sum = error - adjustment + height;
  for (const value of vec) sum += Math.abs(value);
  return vec.length === dimensions && Number.isFinite(sum);
}

const rawDistance = (a: Coordinate, b: Coordinate): number => apart(a.vec, b.vec) + a.height + b.height;

/** The estimated round trip, in seconds. */
export function distance(a: Coordinate, b: Coordinate): number {
  const raw = rawDistance(a, b);
  const adjusted = raw + a.adjustment + b.adjustment;
  return adjusted > 0 ? adjusted : raw;
}

export interface VivaldiCheckpoint {
  readonly own: Coordinate;
  readonly samples: readonly number[];
  readonly next: number;
  readonly recent: readonly (readonly [string, readonly number[]])[];
}

export class Vivaldi {
  readonly #prng: Prng;
  readonly #recent = new Map<string, number[]>();
  #own: Coordinate = origin;
  #samples: number[] = Array<number>(adjustmentWindow).fill(0);
  #next = 0;

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  get own(): Coordinate {
    return this.#own;
  }

  /** A round trip was measured. @returns false when it, or the other's coordinate, cannot be. */
  measured(name: string, other: Coordinate, roundTrip: number): boolean {
    if (!isValid(other) || !(roundTrip >= 0 && roundTrip <= roundTripMax)) return false;
    const seconds = Math.max(this.#median(name, roundTrip), tiny);
    this.#pull(other, seconds);
    this.#adjust(other, seconds);
    const drift = distance(origin, this.#own);
    this.#push(-((drift / gravityRho) ** 2), origin);
    if (!isValid(this.#own)) this.#own = origin;
    return true;
  }

  forget(name: string): void {
    this.#recent.delete(name);
  }

  checkpoint(): VivaldiCheckpoint {
    return { own: this.#own, samples: [...this.#samples], next: this.#next, recent: [...this.#recent] };
  }

  restore({ own, samples, next, recent }: VivaldiCheckpoint): void {
    this.#own = own;
    this.#samples = [...samples];
    this.#next = next;
    this.#recent.clear();
    for (const [name, values] of recent) this.#recent.set(name, [...values]);
  }

  #median(name: string, roundTrip: number): number {
    const recent = this.#recent.get(name) ?? [];
    if (recent.length < 2) {
      this.#recent.set(name, [...recent, roundTrip]);
      return Math.max(recent[0] ?? 0, roundTrip);
    }
    const [a, b] = [recent.at(-2) as number, recent.at(-1) as number];
    // Of exactly this size: a list that grows takes five times as much.
    this.#recent.set(name, [a, b, roundTrip]);
    return Math.max(Math.min(a, b), Math.min(Math.max(a, b), roundTrip));
  }

  #pull(other: Coordinate, seconds: number): void {
    const own = this.#own;
    const expected = distance(own, other);
    const wrongness = Math.abs(expected - seconds) / seconds;
    const weight = own.error / Math.max(own.error + other.error, tiny);
    const error = errorGain * weight * wrongness + own.error * (1 - errorGain * weight);
    this.#own = { ...own, error: Math.min(error, errorMax) };
    this.#push(forceGain * weight * (seconds - expected), other);
  }

  #adjust(other: Coordinate, seconds: number): void {
    this.#samples[this.#next] = seconds - rawDistance(this.#own, other);
    this.#next = (this.#next + 1) % adjustmentWindow;
    let sum = 0;
    for (const sample of this.#samples) sum += sample;
    this.#own = { ...this.#own, adjustment: sum / (2 * adjustmentWindow) };
  }

  /** Moves us away from the other, or towards it where the force is negative. */
  #push(force: number, other: Coordinate): void {
    const own = this.#own;
    const length = apart(own.vec, other.vec);
    const vec = [...own.vec];
    if (length > tiny) {
      const share = force / length;
      for (let i = 0; i < dimensions; i++)
        vec[i] = (vec[i] as number) + ((vec[i] as number) - (other.vec[i] as number)) * share;
    } else {
      for (const [i, part] of this.#anyDirection().entries()) vec[i] = (vec[i] as number) + part * force;
    }
    const height =
      length > tiny
        ? Math.max(((own.height + other.height) * force) / length + own.height, heightMin)
        : own.height;
    this.#own = { ...own, vec, height };
  }

  /** Two members on one point part in a direction of chance. */
  #anyDirection(): number[] {
    const vec = Array.from({ length: dimensions }, () => this.#prng.float() - 0.5);
    const length = Math.max(apart(vec, origin.vec), tiny);
    return vec.map((value) => value / length);
  }
}
