import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { RunReply, RunRequest } from './worker.ts';

const workerFile = fileURLToPath(new URL('./worker.ts', import.meta.url));

/** One worker process; it is started when first needed, and again after a run had to be killed. */
export class MutationWorker implements Disposable {
  readonly #root: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'cluster-mutation-'));
  #child: Promise<ChildProcess> | undefined;

  constructor(root: string) {
    this.#root = root;
  }

  /** Runs one file, or answers `timeout` after killing a run that lasts longer than `timeoutMs`. */
  async run(request: RunRequest, timeoutMs: number): Promise<RunReply | 'timeout'> {
    this.#child ??= this.#start();
    const child = await this.#child;
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        child.removeAllListeners('message');
        child.removeAllListeners('exit');
      };
      const timer = setTimeout(() => {
        settle();
        this.#kill();
        resolve('timeout');
      }, timeoutMs);
      child.once('message', (reply: RunReply) => {
        settle();
        resolve(reply);
      });
      child.once('exit', (code) => {
        settle();
        this.#child = undefined;
        reject(new Error(`The mutation worker ended with code ${code} while it ran ${request.file}.`));
      });
      child.send(request);
    });
  }

  [Symbol.dispose](): void {
    this.#kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #kill(): void {
    this.#child?.then(
      (child) => child.kill('SIGKILL'),
      // It never started: whoever asked for the run has been told.
      () => {},
    );
    this.#child = undefined;
  }

  #start(): Promise<ChildProcess> {
    const tsx = createRequire(join(this.#root, 'package.json')).resolve('tsx');
    const child = fork(workerFile, [this.#root, join(this.#folder, 'machines.jsonl')], {
      cwd: this.#root,
      execArgv: ['--conditions=@cluster/source', '--import', pathToFileURL(tsx).href],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    return new Promise((resolve, reject) => {
      child.once('message', () => {
        child.removeAllListeners('exit');
        resolve(child);
      });
      child.once('exit', (code) =>
        reject(new Error(`The mutation worker ended with code ${code} at its start.`)),
      );
    });
  }
}
