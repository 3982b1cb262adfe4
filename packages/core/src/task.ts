/**
 * Sequential work over callback ports, without promises: a generator yields what it waits for and is resumed with the result.
 * `const size = yield* wait((done) => file.size(done))` — a failed wait throws its ClusterError into the generator.
 */
import { assert, ClusterError, describeError } from './errors.ts';
import type { Done, Outcome } from './ports.ts';

type Wait = (done: Done<unknown>) => void;
export type Task<T> = Generator<Wait, T, unknown>;

export function* wait<T>(start: (done: Done<T>) => void): Task<T> {
  return (yield start) as T;
}

/** Runs a task to its end; `done` is called once. An error other than a ClusterError is a bug and is wrapped as one. */
export function runTask<T>(task: Task<T>, done: Done<T>): void {
  const resume = (outcome: Outcome<unknown>): void => {
    let current: Outcome<unknown> | undefined = outcome;
    // A completion that arrives before the wait returns is taken by the loop, so that a long task cannot overflow the stack.
    while (current !== undefined) {
      let step: IteratorResult<Wait, T>;
      try {
        step = current.ok ? task.next(current.value) : task.throw(current.error);
      } catch (error) {
        done({ ok: false, error: toClusterError(error) });
        return;
      }
      if (step.done) {
        done({ ok: true, value: step.value });
        return;
      }
      let early: Outcome<unknown> | undefined;
      let returned = false;
      let completed = false;
      const complete = (result: Outcome<unknown>): void => {
        assert(!completed, 'a port completes a call once');
        completed = true;
        if (returned) resume(result);
        else early = result;
      };
      try {
        step.value(complete);
      } catch (error) {
        // A port that throws instead of completing: the task still gets to run its `finally`.
        if (completed) throw error;
        complete({ ok: false, error: toClusterError(error) });
      }
      returned = true;
      current = early;
    }
  };
  resume({ ok: true, value: undefined });
}

/** The promise face of a callback call, for services and tests. */
export function toPromise<T>(start: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((outcome) => (outcome.ok ? resolve(outcome.value) : reject(outcome.error)));
  });
}

function toClusterError(error: unknown): ClusterError {
  if (ClusterError.is(error)) return error;
  return new ClusterError({
    code: 'CORE_TASK_FAILED',
    fault: 'bug',
    message: `A task failed: ${describeError(error)}.`,
    advice: 'This is a bug: please report it with the trace.',
    cause: error,
  });
}
