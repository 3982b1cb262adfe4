/** The demo's processes: starts, kills and watches them, and is certain to leave none behind. */
import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { ClusterError } from '@cluster/core';

export interface FleetProcess<In, Out> {
  readonly name: string;
  readonly pid: number;
  send(message: In): void;
  kill(signal: 'SIGKILL' | 'SIGTERM'): void;
  /** Resolves with the exit code (null after a signal). */
  readonly exited: Promise<number | null>;
  readonly running: boolean;
  onMessage(listener: (message: Out) => void): void;
}

const stderrKept = 4000;

export class Fleet {
  readonly #children = new Set<ChildProcess>();
  #peakBytes = 0;

  /** @param onDeath called when a process ends that nobody asked to end. */
  start<In, Out>(
    name: string,
    program: string,
    args: readonly string[],
    onDeath: (line: string) => void,
  ): FleetProcess<In, Out> {
    const child = fork(program, [...args], {
      // Seven small processes on one machine: memory before throughput. A young generation alone could be 48 MB a thread.
      execArgv: ['--max-semi-space-size=2', '--optimize-for-size', '--v8-pool-size=1'],
      // glibc otherwise keeps a heap of its own for each of a dozen threads.
      env: { ...process.env, MALLOC_ARENA_MAX: '2' },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'advanced',
    });
    this.#children.add(child);
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-stderrKept);
    });
    let expected = false;
    let running = true;
    const exited = new Promise<number | null>((resolve) => {
      child.once('exit', (code, signal) => {
        running = false;
        this.#children.delete(child);
        const how = signal ?? `exit code ${String(code)}`;
        if (!expected)
          onDeath(`${name} ended by itself (${how}).${stderr === '' ? '' : ` It said: ${stderr.trim()}`}`);
        resolve(code);
      });
    });
    child.on('error', () => undefined); // a message to a process that has just been killed
    return {
      name,
      pid: child.pid ?? 0,
      exited,
      get running() {
        return running;
      },
      send: (message) => {
        expected ||= (message as { kind?: string }).kind === 'stop';
        if (child.connected) child.send(message as object);
      },
      kill: (signal) => {
        expected = true;
        child.kill(signal);
      },
      onMessage: (listener) => void child.on('message', (message) => listener(message as Out)),
    };
  }

  /** Resident memory of this process and all children now, in bytes; the peak is kept. */
  sampleMemory(): number {
    const pids = [process.pid, ...[...this.#children].map((child) => child.pid ?? 0)];
    const bytes = pids.reduce((sum, pid) => sum + residentBytes(pid), 0);
    this.#peakBytes = Math.max(this.#peakBytes, bytes);
    return bytes;
  }

  get peakMemoryMb(): number {
    return Math.round(this.#peakBytes / 1_000_000);
  }

  /** Kills whatever is left, at once. Safe in an exit handler. */
  killAll(): void {
    for (const child of this.#children) child.kill('SIGKILL');
  }
}

/** Linux tells in pages; elsewhere only our own process is known. */
function residentBytes(pid: number): number {
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
    return pages * 4096;
  } catch {
    return pid === process.pid ? process.memoryUsage.rss() : 0;
  }
}

/** Waits until `ready` says so, looking every 20 ms. @throws ClusterError `DEMO_TOO_SLOW` naming what was waited for. */
export async function until(
  what: string,
  ready: () => boolean,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!ready()) {
    signal.throwIfAborted();
    if (performance.now() > deadline) {
      throw new ClusterError({
        code: 'DEMO_TOO_SLOW',
        fault: 'environment',
        message: `Waited ${Math.round(timeoutMs / 1000)} s for this and it did not happen: ${what}.`,
        advice: 'See the event feed above; --keep leaves the cluster running to look at it.',
      });
    }
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
}
