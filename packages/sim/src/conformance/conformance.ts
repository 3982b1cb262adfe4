import type { Done, Outcome } from '@cluster/core';

/** One behaviour every implementation of a port must show: `for (const { name, run } of diskConformance(make)) test(name, run)`. */
export interface ConformanceCase {
  readonly name: string;
  /** Rejects with the reason when the implementation does otherwise. */
  readonly run: () => Promise<void>;
}

export function expectThat(claim: boolean, message: string): void {
  if (!claim) throw new Error(`The port does otherwise: ${message}`);
}

export function expectBytes(actual: Uint8Array, expected: readonly number[], what: string): void {
  const same = actual.length === expected.length && expected.every((byte, at) => actual[at] === byte);
  expectThat(same, `${what} should be [${expected.join(', ')}] and is [${actual.join(', ')}]`);
}

/** Lets the implementation work: a simulated one advances its virtual clock, a real one waits a few milliseconds. */
export interface Settle {
  settle(): void | Promise<void>;
}

const patience = 400;

/** Resolves once `reached` holds; rejects when it does not after many rounds. */
export async function eventually(harness: Settle, reached: () => boolean, what: string): Promise<void> {
  for (let round = 0; round < patience && !reached(); round++) await harness.settle();
  expectThat(reached(), `${what} did not happen`);
}

/** Lets a few rounds pass, for what must not happen. */
export async function quiet(harness: Settle): Promise<void> {
  for (let round = 0; round < 5; round++) await harness.settle();
}

/** Completes a port's call. */
export async function complete<T>(harness: Settle, start: (done: Done<T>) => void): Promise<Outcome<T>> {
  let outcome: Outcome<T> | undefined;
  let calls = 0;
  start((result) => {
    outcome = result;
    calls++;
  });
  await eventually(harness, () => outcome !== undefined, 'the completion');
  expectThat(calls === 1, `a completion came ${calls} times`);
  return outcome as Outcome<T>;
}

export async function succeed<T>(harness: Settle, start: (done: Done<T>) => void): Promise<T> {
  const outcome = await complete(harness, start);
  if (!outcome.ok) throw outcome.error;
  return outcome.value;
}

export async function failWith<T>(
  harness: Settle,
  code: string,
  start: (done: Done<T>) => void,
): Promise<void> {
  const outcome = await complete(harness, start);
  expectThat(!outcome.ok, `it succeeded where ${code} was due`);
  if (!outcome.ok)
    expectThat(outcome.error.code === code, `the error is ${outcome.error.code} where ${code} was due`);
}
