/** @packageDocumentation Benchmarks: ours beside the raw limit and the peers, interleaved in one run. */
export { type Contender, measure, type Measurement, type MeasureOptions, summarize } from './measure.ts';
export { type BenchResult, type BenchRow, ratioToLimit, renderBench } from './result.ts';
export { benchStepper, stepperDefaults } from './stepper/bench.ts';
