import { writeFileSync } from 'node:fs';
import type { Reporter, SerializedError, TestModule, TestRunEndReason } from 'vitest/node';
import { countLine, type Counts, countsFileVariable } from './counts.ts';

/**
 * Counts vitest's own results. A file that fails to load or whose hook fails has no failed test: it counts as one
 * failure, as does every error outside a test, and a run that failed for no counted reason.
 */
export default class CountReporter implements Reporter {
  onTestRunEnd(
    modules: readonly TestModule[],
    errors: readonly SerializedError[],
    reason: TestRunEndReason,
  ): void {
    const counts = countResults(modules, errors.length, reason);
    const file = process.env[countsFileVariable];
    if (file !== undefined) writeFileSync(file, JSON.stringify(counts));
    // vitest prints its own summary in the same hook: print after it
    else process.on('exit', () => process.stdout.write(`\n${countLine(counts)}\n`));
  }
}

function countResults(modules: readonly TestModule[], errors: number, reason: TestRunEndReason): Counts {
  let passed = 0;
  let failed = errors;
  let skipped = 0;
  for (const testModule of modules) {
    let failedHere = 0;
    for (const test of testModule.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') passed++;
      else if (state === 'failed') failedHere++;
      else skipped++;
    }
    failed += failedHere === 0 && !testModule.ok() ? 1 : failedHere;
  }
  return { passed, failed: reason !== 'passed' && failed === 0 ? 1 : failed, skipped };
}
