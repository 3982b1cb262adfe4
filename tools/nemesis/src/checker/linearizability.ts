/**
 * Is there an order of one key's operations, each between its call and its return, that a single register explains?
 * (Wing and Gong 1993; Lowe 2017.)
 *
 * The search walks along the calls and returns and decides as late as it can (Lowe's just-in-time linearization): only when an
 * operation returns that has no place yet, some pending effects are given theirs, ending with the one that has to have it. What was
 * tried is remembered by (event, who has a place, state), so that nothing is searched twice. Four facts keep it small, none of which
 * can hide an order that exists:
 * - What changes nothing takes its place at the first state in which it holds: earlier never harms it, nor anybody else.
 * - An effect of unknown outcome that a blind write follows unobserved may as well be left out, and remains available.
 * - So may one that changes nothing.
 * - A value that cannot come about again is not left while somebody has yet to see it.
 * The rest is exponential in the worst case, so the search is bounded, and says so when it has given up.
 */
import type { Operation, Value } from '../history/operation.ts';
import { after, holds, isBlind } from './register.ts';
import { LastSightings, sightOf } from './last-sightings.ts';
import { type Act, timeline, type TimelineEvent } from './timeline.ts';

export interface SearchBounds {
  /** Effects tried. */
  readonly stepsMax: number;
  /** Asked now and then. */
  readonly outOfTime?: () => boolean;
}

export type Verdict =
  | { readonly type: 'linearizable'; readonly steps: number }
  | {
      readonly type: 'violation';
      readonly steps: number;
      /** The first answer that no order explains, whatever was tried. */
      readonly operation: Operation;
      /** What the register could have held just before, at most eight; none when it could never have held what was answered. */
      readonly states: readonly Value[];
    }
  | { readonly type: 'unknown'; readonly steps: number };

export function checkRegister(operations: readonly Operation[], bounds: SearchBounds): Verdict {
  return new Search(timeline(operations), bounds).run();
}

interface Choice {
  readonly at: number;
  readonly state: Value;
  /** The bits of the pending operations that have their place. */
  readonly placed: bigint;
  /** The last effect was of unknown outcome, and nobody has seen it. */
  readonly unseen: boolean;
  readonly candidates: readonly Act[];
  next: number;
}

type ReturnEvent = Extract<TimelineEvent, { type: 'return' }>;

const statesTold = 8;
const stepsBetweenLooks = 4096;

class Search {
  readonly #events: readonly TimelineEvent[];
  readonly #bounds: SearchBounds;
  readonly #sightings: LastSightings;
  readonly #stack: Choice[] = [];
  readonly #seen = new Set<string>();
  readonly #stateIds = new Map<Value, number>();
  #steps = 0;
  #deepest = -1;
  #deepestStates = new Set<Value>();

  constructor(events: readonly TimelineEvent[], bounds: SearchBounds) {
    this.#events = events;
    this.#bounds = bounds;
    this.#sightings = new LastSightings(events);
  }

  run(): Verdict {
    const invented = this.#invented();
    if (invented !== null) return { type: 'violation', steps: 0, operation: invented, states: [] };
    if (this.#walk(0, null, 0n)) return { type: 'linearizable', steps: this.#steps };
    for (;;) {
      const choice = this.#stack.at(-1);
      if (choice === undefined) return this.#violation();
      const candidate = choice.candidates[choice.next++];
      if (candidate === undefined) {
        this.#stack.pop();
        continue;
      }
      if (this.#exhausted()) return { type: 'unknown', steps: this.#steps };
      if (this.#place(choice, candidate)) return { type: 'linearizable', steps: this.#steps };
    }
  }

  /** An answer that tells of a value which nothing could have led to. */
  #invented(): Operation | null {
    for (const { act } of this.#events) {
      const sight = sightOf(act.operation);
      if (sight !== undefined && this.#sightings.makersOf(sight) === 0) return act.operation;
    }
    return null;
  }

  #exhausted(): boolean {
    if (++this.#steps > this.#bounds.stepsMax) return true;
    return this.#steps % stepsBetweenLooks === 0 && (this.#bounds.outOfTime?.() ?? false);
  }

  /** Gives a pending effect its place. True when that completes an order of everything. */
  #place({ at, state, placed, unseen }: Choice, act: Act): boolean {
    const { operation, open, bit } = act;
    if (unseen && isBlind(operation)) return false;
    const next = after(operation, state);
    if (next === undefined || (open && next === state)) return false;
    const event = this.#events[at] as ReturnEvent;
    if (next !== state && this.#isMissed(state, at, event, placed | bit)) return false;
    const seenBy = event.observers.reduce(
      (bits, observer) => (holds(observer.operation, next) ? bits | observer.bit : bits),
      0n,
    );
    const observed = (seenBy & ~placed) !== 0n;
    const all = placed | bit | seenBy;
    if ((all & event.act.bit) !== 0n) return this.#walk(at, next, all);
    this.#choose(at, next, all, open && !observed);
    return false;
  }

  /** Whether a value that is about to be left has yet to be seen, and will not come again. */
  #isMissed(state: Value, at: number, { effects, observers }: ReturnEvent, placed: bigint): boolean {
    const waits = ({ bit, operation }: Act): boolean => (placed & bit) === 0n && sightOf(operation) === state;
    const awaited = this.#sightings.isSeenAfter(state, at) || observers.some(waits) || effects.some(waits);
    return awaited && this.#sightings.makersOf(state) <= 1;
  }

  /** Goes on to the next return that has no place yet. True when there is none. */
  #walk(from: number, state: Value, placed: bigint): boolean {
    for (let at = from; at < this.#events.length; at++) {
      const event = this.#events[at] as TimelineEvent;
      const { bit, observer, operation } = event.act;
      if (event.type === 'call') {
        if (observer && holds(operation, state)) placed |= bit;
      } else if ((placed & bit) === 0n) {
        this.#choose(at, state, placed, false);
        return false;
      } else placed &= ~bit;
    }
    return true;
  }

  #choose(at: number, state: Value, placed: bigint, unseen: boolean): void {
    let stateId = this.#stateIds.get(state);
    if (stateId === undefined) this.#stateIds.set(state, (stateId = this.#stateIds.size));
    const key = `${at} ${placed.toString(36)} ${stateId} ${unseen ? 1 : 0}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.#remember(at, state);
    const { act, effects } = this.#events[at] as ReturnEvent;
    const wanted = sightOf(act.operation);
    // The one that has to have a place first, or what it says it saw; those of unknown outcome last: most of what happens is as
    // simple as that.
    const rank = (one: Act): number => {
      if (one === act) return 0;
      const leadsThere = wanted !== undefined && after(one.operation, state) === wanted;
      return leadsThere ? 1 : one.open ? 3 : 2;
    };
    const candidates = effects.filter(({ bit }) => (placed & bit) === 0n).sort((a, b) => rank(a) - rank(b));
    this.#stack.push({ at, state, placed, unseen, candidates, next: 0 });
  }

  #remember(at: number, state: Value): void {
    if (at > this.#deepest) this.#deepestStates = new Set();
    this.#deepest = Math.max(this.#deepest, at);
    if (at === this.#deepest && this.#deepestStates.size < statesTold) this.#deepestStates.add(state);
  }

  #violation(): Verdict {
    const { operation } = (this.#events[this.#deepest] as ReturnEvent).act;
    return { type: 'violation', steps: this.#steps, operation, states: [...this.#deepestStates] };
  }
}
