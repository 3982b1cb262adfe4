import { diagrams } from './diagrams.ts';
import { compareGenerated, type GeneratedFolder } from './generated.ts';
import { checkImports, importRules } from './import-rules.ts';
import { reference } from './reference.ts';
import { runTool, type SubprocessResult } from './subprocess.ts';

/** One thing `check` looks at. A step changes nothing: what mends it is named in `mend`. */
export interface CheckStep {
  readonly name: string;
  readonly what: string;
  readonly mend: string;
  run(root: string): Promise<SubprocessResult>;
}

const lines = (found: readonly string[]): SubprocessResult => ({
  ok: found.length === 0,
  output: found.join('\n'),
});

const compareAll = async (root: string, generated: GeneratedFolder): Promise<SubprocessResult> =>
  lines((await compareGenerated(root, generated)).map(({ file, problem }) => `${file} is ${problem}`));

/** In the order they run: the quickest first. */
export const checkSteps: readonly CheckStep[] = [
  {
    name: 'format',
    what: 'every file is formatted',
    mend: 'pnpm run format',
    run: (root) => runTool(root, 'oxfmt', ['--check', '.']),
  },
  {
    name: 'imports',
    what: 'who may import whom',
    mend: 'see docs/guides/developing.md',
    run: (root) =>
      Promise.resolve(
        lines(
          checkImports(root).map(
            ({ file, line, specifier, rule }) =>
              `${file}:${line} imports ${specifier} [${rule}] ${importRules[rule]}`,
          ),
        ),
      ),
  },
  {
    name: 'boundaries',
    what: 'packages use what they declare, and lower layers do not declare higher ones',
    mend: 'declare the dependency in package.json, or do without it',
    run: (root) => runTool(root, 'turbo', ['boundaries']),
  },
  {
    name: 'lint',
    what: 'lint, cycles, and the names a pure core may not use',
    mend: 'pnpm run lint --fix',
    run: (root) => runTool(root, 'oxlint', ['--type-aware', '--format=unix']),
  },
  {
    name: 'types',
    what: 'types of sources, tests and configuration',
    mend: 'pnpm run build',
    run: (root) => runTool(root, 'tsc', ['-b', '--pretty', 'false']),
  },
  {
    name: 'diagrams',
    what: `${diagrams.folder} shows the machines as they are`,
    mend: 'pnpm diagrams',
    run: (root) => compareAll(root, diagrams),
  },
  {
    name: 'reference',
    what: `${reference.folder} tells the settings as they are`,
    mend: 'pnpm diagrams',
    run: (root) => compareAll(root, reference),
  },
];
