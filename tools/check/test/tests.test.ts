import { describe, expect, it } from 'vitest';
import { addCounts, countLine } from '../src/counts.ts';
import { checkSteps } from '../src/steps.ts';
import { runTests, type TestOptions } from '../src/tests.ts';
import { workspaceRoot } from '../src/workspace.ts';
import { plantedWorkspace } from './planted-workspace.ts';

const config = `export default {
  test: {
    include: ['packages/*/test/**/*.test.ts'],
    reporters: ['default', '${workspaceRoot()}/tools/check/src/count-reporter.ts'],
  },
};\n`;

const imports = `import { expect, it } from 'vitest';\n`;
const passing = `${imports}it('passes', () => expect(1).toBe(1));\n`;

async function run(files: Readonly<Record<string, string>>, options: TestOptions = { check: false }) {
  const { root, plant } = plantedWorkspace();
  plant('vitest.config.ts', config);
  for (const [name, text] of Object.entries(files)) plant(`packages/swim/test/${name}.test.ts`, text);
  const printed: string[] = [];
  const counts = await runTests({ ...options, root, print: (line) => printed.push(line) });
  return { counts, last: printed.at(-1), printed: printed.join('\n') };
}

describe('test', () => {
  it('ends with the count of what passed', async () => {
    const { last, counts } = await run({ passing });
    expect(last).toBe('1 passed, 0 failed');
    expect(counts.failed).toBe(0);
  });

  it('counts failures, failing files, failing hooks, stray rejections and skips, each once', async () => {
    const { last, printed } = await run({
      passing,
      failing: `${imports}it('fails', () => expect(1).toBe(2));\nit.skip('is skipped', () => {});\n`,
      'does-not-load': `import './nowhere.ts';\n`,
      'hook-fails': `${passing}import { afterAll } from 'vitest';\nafterAll(() => {\n  throw new Error('hook');\n});\n`,
      'rejects-later': `${imports}it('passes', () => {\n  void Promise.reject(new Error('stray'));\n  expect(1).toBe(1);\n});\n`,
    });
    expect(printed).toContain('nowhere.ts');
    expect(last).toBe('3 passed, 4 failed, 1 skipped');
  });

  it('fails when there is nothing to run', async () => {
    expect((await run({})).last).toBe('0 passed, 1 failed');
    expect((await run({ passing }, { check: false, name: 'no such test' })).counts.failed).toBe(1);
  });

  it('counts each step of the check, and runs the tests after a failing step too', async () => {
    const { last, printed } = await run({ passing: passing.replace(';', '') }, {});
    expect(printed).toContain('FAILED  format');
    expect(last).toBe(`${checkSteps.length} passed, 1 failed`);
  });

  it('runs only the files asked for', async () => {
    const { last } = await run({ passing, other: passing }, { check: false, files: ['other'] });
    expect(last).toBe('1 passed, 0 failed');
  });
});

describe('the count line', () => {
  it('names skipped tests only where there are some', () => {
    const counts = addCounts({ passed: 1, failed: 2, skipped: 0 }, { passed: 3, failed: 0, skipped: 0 });
    expect(countLine(counts)).toBe('4 passed, 2 failed');
    expect(countLine({ ...counts, skipped: 1 })).toBe('4 passed, 2 failed, 1 skipped');
  });
});
