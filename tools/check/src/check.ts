import { type CheckStep, checkSteps } from './steps.ts';
import { workspaceRoot } from './workspace.ts';

export interface CheckOptions {
  /** Default: the checkout this file belongs to. */
  readonly root?: string;
  /** Names of the steps to run. Default: all. */
  readonly only?: readonly string[];
  /** Takes each line of the report. Default: standard output. */
  readonly print?: (line: string) => void;
}

export interface StepReport {
  readonly name: string;
  readonly ok: boolean;
  readonly output: string;
}

export const printLine = (line: string): void => void process.stdout.write(`${line}\n`);

/**
 * Runs every step, also after one has failed, and prints what each found.
 *
 * @throws RangeError when `only` names a step that does not exist.
 */
export async function runCheck(options: CheckOptions = {}): Promise<StepReport[]> {
  const { root = workspaceRoot(), only, print = printLine } = options;
  const unknown = only?.find((name) => checkSteps.every((step) => step.name !== name));
  if (unknown !== undefined) {
    const names = checkSteps.map((step) => step.name).join(', ');
    throw new RangeError(`there is no step '${unknown}'; the steps are ${names}`);
  }
  const reports: StepReport[] = [];
  for (const step of checkSteps) {
    if (only !== undefined && !only.includes(step.name)) continue;
    const startedMs = performance.now();
    const report = await runStep(step, root);
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    print(`${report.ok ? 'ok    ' : 'FAILED'}  ${step.name}: ${step.what} (${seconds} s)`);
    if (!report.ok) {
      for (const line of report.output.split('\n')) print(`          ${line}`);
      print(`          to mend it: ${step.mend}`);
    }
    reports.push(report);
  }
  return reports;
}

/** A step that throws has failed: one that cannot look must not pass. */
async function runStep(step: CheckStep, root: string): Promise<StepReport> {
  try {
    const { ok, output } = await step.run(root);
    return { name: step.name, ok, output };
  } catch (error) {
    return { name: step.name, ok: false, output: error instanceof Error ? error.message : String(error) };
  }
}
