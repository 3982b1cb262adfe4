import { ClusterError, describeError } from '@cluster/core';
import { CommanderError, InvalidArgumentError } from 'commander';

/** The call was wrong: exit code 2. `what` without the full stop. */
export const usageError = (what: string, command = ''): ClusterError =>
  new ClusterError({
    code: 'CLI_USAGE',
    fault: 'caller',
    message: `${what}.`,
    advice: `Run \`cluster ${command === '' ? '' : `${command} `}--help\` to see what it takes.`,
  });

/** Parses an option that is an integer of a range. */
export const integer =
  (low: number, high: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || value < low || value > high) {
      throw new InvalidArgumentError(`Give a whole number from ${low} to ${high}.`);
    }
    return value;
  };

/** Parses an option that is a list of integers of a range, separated by commas. */
export const integers = (low: number, high: number): ((text: string) => readonly number[]) => {
  const one = integer(low, high);
  return (text) => text.split(',').map((part) => one(part.trim()));
};

/** Parses an option that is a list of words, separated by commas; `none` is the empty list. */
export const words = (text: string): readonly string[] =>
  text === 'none' ? [] : text.split(',').map((part) => part.trim());

/** @throws ClusterError `CLI_USAGE` when one of them is not among those there are. */
export function chosenFrom(
  all: readonly string[],
  chosen: readonly string[],
  what: string,
): readonly string[] {
  const wrong = chosen.find((one) => !all.includes(one));
  if (wrong !== undefined) throw usageError(`There is no ${what} '${wrong}': choose from ${all.join(', ')}`);
  return chosen;
}

export interface Failure {
  readonly exitCode: number;
  /** Nothing to say when it has been said already, as with `--help`. */
  readonly line: string;
}

/** 0 after help, 2 for a wrong call (also one that a package finds wrong), 1 for all else. One line, no stack trace. */
export function failureOf(error: unknown, command: string): Failure {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return { exitCode: 0, line: '' };
    const what = error.message
      .replace(/^error: /, '')
      .replace(/\.$/, '')
      .replaceAll('\n', ' ');
    return { exitCode: 2, line: usageError(capital(what), command).line };
  }
  if (ClusterError.is(error))
    return { exitCode: error.fault === 'caller' ? 2 : 1, line: oneLine(error.line) };
  // A package that knows no codes of ours says by RangeError that an argument is not one of those there are.
  if (error instanceof RangeError && !isStackOverflow(error)) {
    return { exitCode: 2, line: oneLine(usageError(capital(error.message), command).line) };
  }
  const line = `CLI_FAILED: ${oneLine(describeError(error))} This is a bug: please report it with the command that you gave.`;
  return { exitCode: 1, line };
}

const isStackOverflow = (error: RangeError): boolean => error.message.startsWith('Maximum call stack');
const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
const oneLine = (text: string): string => text.replaceAll(/\s*\n\s*/g, ' ');
