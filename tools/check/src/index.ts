export { type CheckOptions, runCheck, type StepReport } from './check.ts';
export { countLine, type Counts } from './counts.ts';
export { diagrams } from './diagrams.ts';
export {
  compareGenerated,
  type GeneratedDifference,
  type GeneratedFolder,
  writeGenerated,
} from './generated.ts';
export { type ExportedMachine, exportedMachines } from './machines.ts';
export { mermaidOf } from './mermaid.ts';
export { type MutateOptions, type MutationResult, runMutation, type Survivor } from './mutation/mutate.ts';
export { reportLines } from './mutation/report.ts';
export { reference } from './reference.ts';
export { checkSteps } from './steps.ts';
export { runTests, type TestOptions } from './tests.ts';
export { workspaceRoot } from './workspace.ts';
