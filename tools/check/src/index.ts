export { type CheckOptions, runCheck, type StepReport } from './check.ts';
export { countLine, type Counts } from './counts.ts';
export { compareDiagrams, type DiagramDifference, diagramsFolder, writeDiagrams } from './diagrams.ts';
export { type ExportedMachine, exportedMachines } from './machines.ts';
export { mermaidOf } from './mermaid.ts';
export { checkSteps } from './steps.ts';
export { runTests, type TestOptions } from './tests.ts';
export { workspaceRoot } from './workspace.ts';
