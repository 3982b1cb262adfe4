/** @packageDocumentation Benchmarks: ours beside the raw limit and the peers, interleaved in one run. */
export { type Contender, measure, type MeasureOptions } from './measure.ts';
export { type BenchResult, type BenchRow, type Expectation, ratioToLimit, renderBench } from './result.ts';
export { type Measurement, pairedRatio, quantile, type Ratio, summarize } from './statistics.ts';
export { benchSim, type SimBenchOptions, simDefaults, simQuick } from './sim/bench.ts';
export { benchSimCost, type SimCostOptions, simCostDefaults, simCostQuick } from './sim/cost.ts';
export { benchStepper, stepperDefaults } from './stepper/bench.ts';
export {
  benchTransport,
  type TransportBenchOptions,
  transportCases,
  transportDefaults,
  transportQuick,
} from './transport/bench.ts';
export { soakDefaults, type SoakOptions, type SoakResult, soakTransport } from './transport/soak.ts';
export { benchRaft } from './raft/bench.ts';
export { type RaftBenchOptions, raftDefaults, raftQuick } from './raft/options.ts';
export { benchSwim, type SwimBenchOptions, swimDefaults, swimQuick } from './swim/bench.ts';
export { type InteropOptions, type InteropResult, runInterop } from './swim/interop.ts';
