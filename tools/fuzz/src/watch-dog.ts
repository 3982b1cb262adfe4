/**
 * Ends the process when one input takes too long. A thread of its own looks at a shared clock, because whoever hangs cannot look at
 * one; it says which input it was, and kills.
 */
import { Worker } from 'node:worker_threads';

// [the input under way, when it began in ms (0 = resting)]
const inputAt = 0;
const startedAt = 1;

const body = `
const { workerData, parentPort } = require('node:worker_threads');
const { writeSync } = require('node:fs');
const shared = new Float64Array(workerData.buffer);
let target = '';
parentPort.on('message', (name) => { target = name; });
const now = () => performance.timeOrigin + performance.now();
setInterval(() => {
  const [input, started] = shared;
  if (started === 0 || now() - started < workerData.limitMs) return;
  const problem = 'it does not end within ' + workerData.limitMs + ' ms';
  const line = 'FUZZ_HANG: target ' + target + ', input ' + input + ', seed ' + workerData.seed + ': ' + problem + '.\\n';
  try { writeSync(2, line); } catch {}
  process.kill(process.pid, 'SIGKILL');
}, Math.min(250, workerData.limitMs / 2));
`;

export class WatchDog {
  readonly #shared = new Float64Array(new SharedArrayBuffer(16));
  readonly #worker: Worker;

  constructor(limitMs: number, seed: number) {
    this.#worker = new Worker(body, {
      eval: true,
      execArgv: [],
      workerData: { buffer: this.#shared.buffer, limitMs, seed },
    });
    this.#worker.unref();
  }

  watch(target: string): void {
    this.#worker.postMessage(target);
  }

  begin(input: number): void {
    this.#shared[inputAt] = input;
    this.#shared[startedAt] = performance.timeOrigin + performance.now();
  }

  rest(): void {
    this.#shared[startedAt] = 0;
  }

  stop(): void {
    this.rest();
    void this.#worker.terminate();
  }
}
