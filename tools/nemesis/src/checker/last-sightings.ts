/**
 * Which values are still to be seen by somebody, and cannot come about again: whoever leaves such a value has gone astray.
 *
 * Where every written value is new, as in the histories of the nemesis, this alone decides most of what a search would have to try.
 */
import type { Operation, Value } from '../history/operation.ts';
import type { TimelineEvent } from './timeline.ts';

/** What an answer says the register held at its moment; undefined where it says nothing of the kind. */
export const sightOf = ({ op, status, value, expect }: Operation): Value | undefined =>
  status !== 'ok' ? undefined : op === 'get' ? value : op === 'cas' ? expect : undefined;

export class LastSightings {
  /** The position of the last call that will see a value. */
  readonly #lastCall = new Map<Value, number>();
  readonly #written = new Map<Value, number>();
  readonly #appended = new Map<string, number>();
  readonly #appendedLengths: readonly number[];

  constructor(events: readonly TimelineEvent[]) {
    // The register begins with nothing.
    this.#written.set(null, 1);
    for (const [at, { type, act }] of events.entries()) {
      if (type !== 'call') continue;
      const { operation, observer } = act;
      const sight = sightOf(operation);
      if (sight !== undefined) this.#lastCall.set(sight, at);
      if (observer) continue;
      const { op, value } = operation;
      if (op === 'append') this.#appended.set(value ?? '', (this.#appended.get(value ?? '') ?? 0) + 1);
      else this.#written.set(value, (this.#written.get(value) ?? 0) + 1);
    }
    this.#appendedLengths = [...new Set([...this.#appended.keys()].map((value) => value.length))];
  }

  /** Whether somebody who is called after `at` will see the value. */
  isSeenAfter(value: Value, at: number): boolean {
    return (this.#lastCall.get(value) ?? -1) > at;
  }

  /** How many effects could have led to the value, at most; what the register begins with counts as one. */
  makersOf(value: Value): number {
    let makers = this.#written.get(value) ?? 0;
    if (value === null) return makers;
    for (const length of this.#appendedLengths)
      if (length <= value.length) makers += this.#appended.get(value.slice(value.length - length)) ?? 0;
    return makers;
  }
}
