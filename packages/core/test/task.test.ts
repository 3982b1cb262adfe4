import { describe, expect, it } from 'vitest';
import { ClusterError, type Done, type Outcome, runTask, type Task, toPromise, wait } from '@cluster/core';

const failure = new ClusterError({ code: 'X_FAILED', fault: 'environment', message: 'No.', advice: 'Wait.' });

function finish<T>(task: Task<T>): Outcome<T>[] {
  const outcomes: Outcome<T>[] = [];
  runTask(task, (outcome) => void outcomes.push(outcome));
  return outcomes;
}

describe('a task', () => {
  it('waits for one completion after the other, early or late', () => {
    let complete: Done<number> = () => undefined;
    function* work(): Task<number> {
      const early = yield* wait<number>((done) => done({ ok: true, value: 1 }));
      const late = yield* wait<number>((done) => void (complete = done));
      return early + late;
    }
    const outcomes = finish(work());
    expect(outcomes).toEqual([]);
    complete({ ok: true, value: 2 });
    expect(outcomes).toEqual([{ ok: true, value: 3 }]);
  });

  it('meets a failure as an exception, which it may handle or leave', () => {
    const fail = (done: Done<never>): void => done({ ok: false, error: failure });
    function* handles(): Task<string> {
      try {
        return yield* wait<never>(fail);
      } catch (error) {
        return (error as ClusterError).code;
      }
    }
    function* leaves(): Task<string> {
      return yield* wait<never>(fail);
    }
    expect(finish(handles())).toEqual([{ ok: true, value: 'X_FAILED' }]);
    expect(finish(leaves())).toEqual([{ ok: false, error: failure }]);
  });

  it('ends as a bug when it throws anything else, or when a port throws, after its finally', () => {
    const said: string[] = [];
    function* work(step: () => Task<void>): Task<void> {
      try {
        yield* step();
      } finally {
        said.push('cleaned up');
      }
    }
    function* throws(): Task<void> {
      yield* wait<void>((done) => done({ ok: true, value: undefined }));
      throw new Error('slip');
    }
    function* portThrows(): Task<void> {
      yield* wait<void>(() => {
        throw new Error('port slip');
      });
    }
    for (const step of [throws, portThrows]) {
      expect(finish(work(step))).toMatchObject([
        { ok: false, error: { code: 'CORE_TASK_FAILED', fault: 'bug' } },
      ]);
    }
    expect(said).toEqual(['cleaned up', 'cleaned up']);
  });

  it('lets a port’s error out that comes after its completion', () => {
    function* work(): Task<void> {
      yield* wait<void>((done) => {
        done({ ok: true, value: undefined });
        throw new Error('slip after the end');
      });
    }
    expect(() => finish(work())).toThrow('slip after the end');
  });

  it('refuses a second completion of the same call', () => {
    let complete: Done<number> = () => undefined;
    function* work(): Task<number> {
      return yield* wait<number>((done) => void (complete = done));
    }
    const outcomes = finish(work());
    complete({ ok: true, value: 1 });
    expect(() => complete({ ok: true, value: 2 })).toThrow('a port completes a call once');
    expect(outcomes).toEqual([{ ok: true, value: 1 }]);
  });

  it('goes through a hundred thousand early completions without growing the stack', () => {
    function* work(): Task<number> {
      let sum = 0;
      for (let i = 0; i < 100_000; i++) sum += yield* wait<number>((done) => done({ ok: true, value: 1 }));
      return sum;
    }
    expect(finish(work())).toEqual([{ ok: true, value: 100_000 }]);
  });

  it('has a promise face', async () => {
    await expect(toPromise<number>((done) => done({ ok: true, value: 5 }))).resolves.toBe(5);
    await expect(toPromise<number>((done) => done({ ok: false, error: failure }))).rejects.toBe(failure);
  });
});
