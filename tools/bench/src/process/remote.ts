/** Calls to a process that this one has started, over its IPC channel. */
import type { ChildProcess } from 'node:child_process';
import { startProfile, stopProfile } from './profile.ts';

interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** The parent's side. */
export class Remote {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  readonly #gone: Promise<void>;
  #calls = 0;
  #dead: Error | null = null;

  constructor(name: string, child: ChildProcess, lastWords: () => string) {
    this.name = name;
    this.#child = child;
    child.on('message', (reply: Reply) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if (reply.error === undefined) waiting?.resolve(reply.value);
      else waiting?.reject(new Error(`${name}: ${reply.error}`));
    });
    child.on('error', (error) => this.#died(error));
    this.#gone = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        const words = lastWords();
        const how = signal ?? `exit code ${String(code)}`;
        this.#died(new Error(`${name} has ended (${how}).${words === '' ? '' : ` It said: ${words}`}`));
        resolve();
      });
    });
  }

  call<T>(method: string, argument: unknown = null): Promise<T> {
    if (this.#dead !== null) return Promise.reject(this.#dead);
    const id = ++this.#calls;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, method, argument });
    });
  }

  /** Runs something while this process writes a CPU profile of itself; without a file it just runs. */
  async profiled<T>(file: string | null, run: () => Promise<T>): Promise<T> {
    if (file === null) return await run();
    await this.call('startProfile');
    const result = await run();
    await this.call('stopProfile', file);
    return result;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Stops it where it is, or lets it go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal);
  }

  /** Resolves when it is gone. */
  kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    this.#child.kill(signal);
    return this.#gone;
  }

  #died(error: Error): void {
    this.#dead ??= error;
    for (const waiting of this.#waiting.values()) waiting.reject(this.#dead);
    this.#waiting.clear();
  }
}

export type Methods = Readonly<Record<string, (argument: never) => unknown>>;

/** What every process answers. `cpuUs`: what it has used of its cores so far. */
const common: Methods = {
  startProfile,
  stopProfile,
  cpuUs: (): number => {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
};

/** The process's side: answers calls until its parent is gone. */
export function serveParent(methods: Methods): void {
  process.on('disconnect', () => process.exit());
  process.on('message', ({ id, method, argument }: { id: number; method: string; argument: never }) => {
    const run = async (): Promise<unknown> => await (methods[method] ?? common[method])?.(argument);
    run().then(
      (value) => process.send?.({ id, value }),
      (error: unknown) =>
        process.send?.({
          id,
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
        }),
    );
  });
}
