import { describe, expect, it } from 'vitest';
import { runCheck } from '../src/check.ts';
import { checkSteps } from '../src/steps.ts';
import { plantedWorkspace } from './planted-workspace.ts';

interface Violation {
  readonly step: string;
  readonly what: string;
  readonly files: Readonly<Record<string, string>>;
  /** What the report says. */
  readonly says: string;
}

const inCore = 'packages/swim/src/core/agent.ts';

/** One line each, in a pure core. */
const impurities: readonly (readonly [statement: string, says: string])[] = [
  ['export const a = Date.now();', `'Date'`],
  ['export const b = performance.now();', `'performance'`],
  ['export const c = Math.random();', `'Math.random'`],
  ['export const d = crypto.randomUUID();', `'crypto'`],
  ['setTimeout(() => {}, 1);', `'setTimeout'`],
  ['setInterval(() => {}, 1);', `'setInterval'`],
  ['setImmediate(() => {});', `'setImmediate'`],
  ['queueMicrotask(() => {});', `'queueMicrotask'`],
  ['console.log(1);', 'no-console'],
  ['export const e = globalThis.Date.now();', `'globalThis'`],
  ['export const f = process.hrtime();', `'process'`],
  ['export const g = Promise.resolve(1);', `'Promise'`],
  ['export const h = async (done: PromiseLike<void>) => await done;', 'no-async-await'],
];

const violations: Violation[] = [
  {
    step: 'format',
    what: 'a badly formatted file',
    files: { [inCore]: 'export const a = "b"' },
    says: inCore,
  },
  {
    step: 'imports',
    what: 'a package that knows its sibling',
    files: { [inCore]: `export type { Raft } from '@cluster/raft';\n` },
    says: `${inCore}:1 imports @cluster/raft [sibling]`,
  },
  {
    step: 'imports',
    what: 'Node outside the Node binding',
    files: { 'packages/swim/src/agent.ts': `export { readFileSync } from 'node:fs';\n` },
    says: 'builtin-outside-node',
  },
  {
    step: 'boundaries',
    what: 'an import the manifest does not declare',
    files: { [inCore]: `export { Command } from 'commander';\n` },
    says: 'commander',
  },
  {
    step: 'boundaries',
    what: 'a lower layer that declares a higher one',
    files: {
      'packages/core/package.json': `{ "name": "@cluster/core", "dependencies": { "@cluster/swim": "workspace:^" } }`,
    },
    says: 'layer-protocol',
  },
  {
    step: 'lint',
    what: 'a promise nobody waits for',
    files: {
      'packages/swim/src/agent.ts': `const later = async (): Promise<void> => {};\nexport const start = (): void => {\n  later();\n};\n`,
    },
    says: 'no-floating-promises',
  },
  {
    step: 'lint',
    what: 'a cycle, even of types only',
    files: {
      'packages/swim/src/a.ts': `import type { B } from './b.ts';\nexport type A = B | 1;\n`,
      'packages/swim/src/b.ts': `import type { A } from './a.ts';\nexport type B = A | 2;\n`,
    },
    says: 'Dependency cycle',
  },
  {
    step: 'lint',
    what: 'a Node global outside the Node binding',
    files: { 'packages/swim/src/pid.ts': `export const { pid } = process;\n` },
    says: `'process'`,
  },
  {
    step: 'lint',
    what: 'the clock of the machine in the simulator',
    files: { 'packages/sim/src/world.ts': `export const start = Date.now();\n` },
    says: `'Date'`,
  },
  {
    step: 'types',
    what: 'a type error in a source',
    files: { [inCore]: `export const n: number = 'one';\n` },
    says: 'TS2322',
  },
  {
    step: 'types',
    what: 'a type error in a test',
    files: { 'packages/swim/test/agent.test.ts': `export const n: number = 'one';\n` },
    says: 'TS2322',
  },
  {
    step: 'diagrams',
    what: 'a diagram no machine asks for',
    files: { 'docs/diagrams/swim.gone.mmd': 'stateDiagram-v2\n' },
    says: 'swim.gone.mmd is orphaned',
  },
  {
    step: 'reference',
    what: 'a page of settings that are gone',
    files: { 'docs/reference/swim.md': '# Settings\n' },
    says: 'swim.md is orphaned',
  },
];

describe('check', () => {
  it('passes a clean workspace', async () => {
    const { root } = plantedWorkspace();
    const reports = await runCheck({ root, print: () => {} });
    expect(reports.filter((report) => !report.ok)).toEqual([]);
    expect(reports.map((report) => report.name)).toEqual(checkSteps.map((step) => step.name));
  });

  // All of a step are planted at once, because starting a tool costs more than running it.
  const steps = [...new Set(violations.map(({ step }) => step))].map((step) => {
    const planted = violations.filter((violation) => violation.step === step);
    return { step, planted, what: planted.map(({ what }) => what).join(', ') };
  });

  it.each(steps)('$step fails on $what', async ({ step, planted }) => {
    const { root, plant } = plantedWorkspace();
    const files = planted.flatMap((violation) => Object.entries(violation.files));
    expect(new Set(files.map(([path]) => path)).size).toBe(files.length);
    for (const [path, text] of files) plant(path, text);
    const [report] = await runCheck({ root, only: [step], print: () => {} });
    expect(report).toMatchObject({ name: step, ok: false });
    for (const { says } of planted) expect(report?.output).toContain(says);
  });

  it('lint fails on every clock, timer, randomness, console and promise in a pure core', async () => {
    const { root, plant } = plantedWorkspace();
    plant(inCore, impurities.map(([statement]) => `${statement}\n`).join(''));
    const [report] = await runCheck({ root, only: ['lint'], print: () => {} });
    const said = report?.output.split('\n') ?? [];
    const silent = impurities.filter(
      ([, says], line) =>
        !said.some((text) => text.startsWith(`${inCore}:${line + 1}:`) && text.includes(says)),
    );
    expect(silent).toEqual([]);
  });

  it('goes on after a failing step, and prints what failed and how to mend it', async () => {
    const { root, plant } = plantedWorkspace();
    plant(inCore, 'export const at = Date.now()');
    const printed: string[] = [];
    const reports = await runCheck({
      root,
      only: ['format', 'imports', 'lint'],
      print: (line) => printed.push(line),
    });
    expect(reports.map(({ name, ok }) => `${name} ${ok}`)).toEqual([
      'format false',
      'imports true',
      'lint false',
    ]);
    expect(printed.join('\n')).toContain('to mend it: pnpm run format');
  });

  it('fails a step that cannot look', async () => {
    const { root, plant } = plantedWorkspace();
    plant(inCore, 'import {');
    const [report] = await runCheck({ root, only: ['imports'], print: () => {} });
    expect(report).toMatchObject({ ok: false });
    expect(report?.output).toContain('agent.ts');
  });

  it('refuses a step that does not exist', async () => {
    await expect(runCheck({ only: ['speling'] })).rejects.toThrow(`there is no step 'speling'`);
  });
});
