/** Starts the program that judges a history, as a process of its own. */
import { execFile } from 'node:child_process';
import { ClusterError } from '@cluster/core';
import type { HistoryReport } from './history/report.ts';

const outputBytesMax = 64 * 1024 * 1024;

/** @throws ClusterError `NEMESIS_CHECK_FAILED` when the program gave no verdict. */
export function runCheck(
  program: string,
  files: readonly string[],
  signal?: AbortSignal,
): Promise<HistoryReport> {
  return new Promise((resolve, reject) => {
    const options = { maxBuffer: outputBytesMax, signal };
    execFile(process.execPath, [program, ...files], options, (error, stdout, stderr) => {
      // Its exit code repeats what it prints.
      if (stdout !== '') return resolve(JSON.parse(stdout) as HistoryReport);
      const reason = (stderr.trim() || (error?.message ?? 'it said nothing')).replace(/\.?$/, '.');
      reject(
        new ClusterError({
          code: 'NEMESIS_CHECK_FAILED',
          fault: 'caller',
          message: `There is no verdict on ${files[0] ?? 'no file'}: ${reason}`,
          advice: 'Give a file of JSON lines that the nemesis has written.',
          cause: error ?? undefined,
        }),
      );
    });
  });
}
