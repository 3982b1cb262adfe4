/** What a command gets from the process: where to write, and whether somebody watches. */
import type { ReadStream, WriteStream } from 'node:tty';
import type { Command } from 'commander';

export interface Context {
  /** Data. */
  readonly out: (text: string) => void;
  /** Chatter. */
  readonly err: (text: string) => void;
  /** Null unless both ends are terminals. */
  readonly terminal: { readonly input: ReadStream; readonly output: WriteStream } | null;
  /** Whether to colour what goes to `out`. */
  readonly colour: boolean;
}

/** Makes a sub-command; its action hands its exit code to `done`. */
export type MakeCommand = (context: Context, done: (exitCode: number) => void) => Command;

export function processContext(args: readonly string[]): Context {
  const { stdin, stdout, stderr } = process;
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    terminal: stdin.isTTY && stdout.isTTY ? { input: stdin, output: stdout } : null,
    colour: stdout.isTTY && !process.env['NO_COLOR'] && !args.includes('--no-color'),
  };
}
