/** @packageDocumentation The `cluster` command as a function, and the view of a trace that `step` shows. */
export { type Context, processContext } from './context.ts';
export { runCli } from './program.ts';
export { formatValue } from './step/format-value.ts';
export { readTrace } from './step/read-trace.ts';
export { type StepFilter, type StepView, TraceCursor } from './step/trace-cursor.ts';
