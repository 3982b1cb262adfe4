/**
 * `check-history HISTORY [COUNTERS]`: the verdict on a run, from its files alone, in a process that had no part in it. Prints one line
 * of JSON. Exit code 0: nothing speaks against it; 1: something does; 2: a file cannot be read.
 */
import { readFileSync } from 'node:fs';
import { describeError } from '@cluster/core';
import { type HistoryReport, objectionsTo, reportOn } from '../history/report.ts';

const [history, counters] = process.argv.slice(2);

function report(): HistoryReport | null {
  try {
    if (history === undefined) throw new Error('Give the file of a history.');
    const counted = counters === undefined ? null : readFileSync(counters, 'utf8');
    return reportOn(readFileSync(history, 'utf8'), counted, { nowMs: () => performance.now() });
  } catch (error) {
    process.stderr.write(`${describeError(error)}\n`);
    return null;
  }
}

const found = report();
if (found !== null) process.stdout.write(`${JSON.stringify(found)}\n`);
process.exitCode = found === null ? 2 : objectionsTo(found).length === 0 ? 0 : 1;
