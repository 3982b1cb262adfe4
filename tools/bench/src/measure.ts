/**
 * Measuring contenders beside one another: in every round each runs for the same time, in an order that turns from round to
 * round, so that a neighbour on the machine disturbs all of them alike. What counts is the median of the rounds.
 */
import { type Measurement, summarize } from './statistics.ts';

export interface Contender {
  /** Handles that many events; state carries over from call to call. */
  run(events: number): void;
}

export interface MeasureOptions {
  readonly rounds: number;
  readonly roundMs: number;
}

const batch = 256;

/** Microseconds per event, by contender. One round is run first and thrown away. */
export function measure(
  contenders: ReadonlyMap<string, Contender>,
  { rounds, roundMs }: MeasureOptions,
): Map<string, Measurement> {
  const names = [...contenders.keys()];
  const samples = new Map(names.map((name) => [name, [] as number[]]));
  for (let round = -1; round < rounds; round++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + Math.max(0, round)) % names.length] as string;
      const took = usPerEvent(contenders.get(name) as Contender, roundMs);
      if (round >= 0) samples.get(name)?.push(took);
    }
  }
  return new Map([...samples].map(([name, values]) => [name, summarize(values)]));
}

function usPerEvent(contender: Contender, forMs: number): number {
  const startMs = performance.now();
  let events = 0;
  let elapsedMs = 0;
  do {
    contender.run(batch);
    events += batch;
    elapsedMs = performance.now() - startMs;
  } while (elapsedMs < forMs);
  return (elapsedMs * 1000) / events;
}
