import type { Logger, LogLevel, WallClock } from '../ports.ts';
import { stringifyPlain } from '../plain.ts';
import { systemWallClock } from './clock.ts';

export interface LineLoggerOptions {
  readonly wallClock?: WallClock;
}

const rank: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** One line per message: `2026-01-31T12:00:00.000Z warn  message key=value`. A line break in a value cannot forge a line. */
export function lineLogger(
  write: (line: string) => void,
  level: LogLevel = 'info',
  { wallClock = systemWallClock }: LineLoggerOptions = {},
): Logger {
  return {
    log(at, message, fields = {}) {
      if (rank[at] < rank[level]) return;
      const time = new Date(wallClock.nowMs()).toISOString();
      const pairs = Object.entries(fields)
        .filter(([, value]) => value !== undefined)
        .map(([key, value]) => ` ${key}=${fieldText(value)}`);
      write(`${time} ${at.padEnd(5)} ${oneLine(message)}${pairs.join('')}\n`);
    },
  };
}

// C0, DEL and C1 controls and the Unicode line separators: a terminal would obey them.
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const controls = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

const oneLine = (text: string): string =>
  text.replace(controls, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

function fieldText(value: unknown): string {
  if (value instanceof Error) return fieldText(value.message);
  const text = typeof value === 'string' ? value : stringifyPlain(value);
  return oneLine(/^[^\s"=]+$/.test(text) || typeof value !== 'string' ? text : JSON.stringify(text));
}
