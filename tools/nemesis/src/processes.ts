/** The processes of a run: starts, stops, kills and resumes them, and is certain to leave none behind. */
import { type ChildProcess, spawn } from 'node:child_process';

export interface Process<In, Out> {
  readonly name: string;
  readonly running: boolean;
  send(message: In): void;
  /** SIGKILL is expected to end it; any other end is not. */
  kill(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void;
  /** From now on it may end. */
  letGo(): void;
  readonly exited: Promise<void>;
  onMessage(listener: (message: Out) => void): void;
}

const stderrKept = 4000;

export class Processes {
  readonly #children = new Set<ChildProcess>();

  /**
   * @param prefix a command that runs it, e.g. within a network namespace; it has to replace itself by the program.
   * @param onDeath called when a process ends that nobody asked to end.
   */
  start<In extends object, Out>(
    name: string,
    command: readonly string[],
    onDeath: (line: string) => void,
    prefix: readonly string[] = [],
  ): Process<In, Out> {
    const [file = '', ...args] = [...prefix, process.execPath, ...command];
    const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    this.#children.add(child);
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-stderrKept);
    });
    let expected = false;
    let running = true;
    const exited = new Promise<void>((resolve) => {
      const ended = (how: string): void => {
        if (!running) return;
        running = false;
        this.#children.delete(child);
        if (!expected) onDeath(`${name} ended by itself (${how}). ${stderr.trim()}`.trim());
        resolve();
      };
      child.once('exit', (code, signal) => ended(signal ?? `exit code ${String(code)}`));
      // A message to a process that has just been killed is no matter; a program that cannot be started is.
      child.on('error', (error) => {
        if (child.pid === undefined) ended(error.message);
      });
    });
    return {
      name,
      exited,
      get running() {
        return running;
      },
      send: (message) => {
        if (child.connected) child.send(message);
      },
      kill: (signal) => {
        expected ||= signal === 'SIGKILL';
        child.kill(signal);
      },
      letGo: () => {
        expected = true;
      },
      onMessage: (listener) => void child.on('message', (message) => listener(message as Out)),
    };
  }

  /** Kills whatever is left, at once; a stopped process dies as well. Safe in an exit handler. */
  killAll(): void {
    for (const child of this.#children) child.kill('SIGKILL');
  }
}
