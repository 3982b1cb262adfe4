/** Where a benchmark runs its processes: a temporary folder and what was started in it, both gone at the end, at Ctrl-C too. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Remote } from './remote.ts';

export interface StartOptions {
  /** Which core it may run on; null: wherever the system puts it. */
  readonly core: number | null;
  readonly nodeFlags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** A command that runs it, e.g. within a network namespace; it has to replace itself by the program. */
  readonly prefix?: readonly string[];
}

export interface ForeignOptions {
  readonly prefix?: readonly string[];
  /** It is kept there; null: anywhere. */
  readonly core?: number | null;
  /** What it says on standard output. */
  readonly onLine?: (line: string) => void;
}

/** A process that is not ours: etcd, nats-server. */
export interface Foreign {
  readonly pid: number;
  kill(signal: 'SIGKILL' | 'SIGTERM' | 'SIGINT'): Promise<void>;
}

const wordsKept = 2000;

export class Workplace {
  readonly folder: string;
  readonly #children = new Set<ChildProcess>();
  readonly #canPin: boolean;
  #ending = false;

  private constructor(folder: string, canPin: boolean) {
    this.folder = folder;
    this.#canPin = canPin;
  }

  /** @param parent where the temporary folder is made: what is written there decides what a flush costs. */
  static async use<T>(run: (place: Workplace) => Promise<T>, parent = tmpdir()): Promise<T> {
    const folder = await mkdtemp(join(parent, 'cluster-bench-'));
    const place = new Workplace(folder, canPin());
    const leave = (): void => place.#clear();
    const interrupted = (): never => {
      leave();
      process.exit(130);
    };
    process.once('SIGINT', interrupted).once('SIGTERM', interrupted).once('exit', leave);
    try {
      return await run(place);
    } finally {
      process.off('SIGINT', interrupted).off('SIGTERM', interrupted).off('exit', leave);
      await place.#end();
    }
  }

  get pinned(): boolean {
    return this.#canPin;
  }

  /** A program of ours, that answers calls. */
  start(name: string, program: string, args: readonly string[], options: StartOptions): Remote {
    const [command, ...rest] = this.#pin(options.core, [
      ...(options.prefix ?? []),
      process.execPath,
      ...(options.nodeFlags ?? []),
      program,
      ...args,
    ]);
    const child = this.#keep(
      spawn(command as string, rest, {
        stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
        serialization: 'advanced',
        env: { ...process.env, ...options.env },
      }),
    );
    return new Remote(name, child, lastWords(child));
  }

  /** Somebody else's program; what it says on standard error is kept for the error that its unexpected end becomes. */
  startForeign(
    name: string,
    command: string,
    args: readonly string[],
    onDeath: (error: Error) => void,
    { prefix = [], core = null, onLine }: ForeignOptions = {},
  ): Foreign {
    const [file = '', ...rest] = this.#pin(core, [...prefix, command, ...args]);
    const child = this.#keep(
      spawn(file, rest, {
        stdio: ['ignore', onLine === undefined ? 'ignore' : 'pipe', 'pipe'],
        cwd: this.folder,
      }),
    );
    if (onLine !== undefined && child.stdout !== null)
      createInterface({ input: child.stdout }).on('line', onLine);
    const words = lastWords(child);
    let expected = false;
    const gone = new Promise<void>((resolve) => {
      child.once('error', (error) => {
        onDeath(error);
        resolve();
      });
      child.once('exit', () => {
        if (!expected && !this.#ending) onDeath(new Error(`${name} ended by itself. It said: ${words()}`));
        resolve();
      });
    });
    return {
      pid: child.pid ?? 0,
      kill: (signal) => {
        expected = true;
        child.kill(signal);
        return gone;
      },
    };
  }

  #pin(core: number | null, command: readonly string[]): readonly string[] {
    return core === null || !this.#canPin ? command : ['taskset', '-c', String(core), ...command];
  }

  #keep(child: ChildProcess): ChildProcess {
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  /** Kills what was started; resolves when all of it is gone. The folder stays. */
  async killAll(): Promise<void> {
    this.#ending = true;
    const gone = [...this.#children].map(
      (child) => new Promise((resolve) => void child.once('exit', resolve).once('error', resolve)),
    );
    for (const child of this.#children) child.kill('SIGKILL');
    await Promise.all(gone);
  }

  async #end(): Promise<void> {
    await this.killAll();
    this.#clear();
  }

  #clear(): void {
    this.#ending = true;
    for (const child of this.#children) child.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

function lastWords(child: ChildProcess): () => string {
  let words = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-wordsKept);
  });
  return () => words.trim();
}

/** Whether processes can be kept on one core each: two cores, and a system that has taskset. */
const canPin = (): boolean => spawnSync('taskset', ['-c', '0,1', 'true'], { stdio: 'ignore' }).status === 0;

/** Whether a command exists here. */
export const hasCommand = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { stdio: 'ignore' }).status === 0;

/** Ports of this host that are free now, for programs that cannot choose one themselves. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => void server.close(resolve))));
  return ports;
}
