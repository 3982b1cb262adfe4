/** @packageDocumentation What all packages share: ports, the stepper, the driver, the trace, errors, configuration, metrics. */
export { type ConfigEntry, type ConfigMeta, describeConfig, parseConfig } from './config.ts';
export type { ProtocolCore, Sink, TimerEffect, TimerInput, Typed } from './core.ts';
export { Driver, type DriverOptions } from './driver.ts';
export {
  assert,
  ClusterError,
  type ClusterErrorOptions,
  describeError,
  type Fault,
  type Retry,
  unreachable,
} from './errors.ts';
export { EventHub, type EventHubOptions } from './events.ts';
export {
  type InstanceCheckpoint,
  MachineInstance,
  MachineTable,
  type PendingTimer,
  type Perform,
  type PerformFor,
  type TableCheckpoint,
} from './machine.ts';
export { memoryDisk, normalizePath } from './memory-disk.ts';
export { histogramBounds, MetricsRegistry } from './metrics.ts';
export {
  fromBase64,
  packPlain,
  parsePlain,
  plainDifference,
  plainEqual,
  stringifyPlain,
  toBase64,
  unpackPlain,
} from './plain.ts';
export {
  diskError,
  type DiskErrorCode,
  formatAddress,
  networkError,
  type NetworkErrorCode,
} from './port-errors.ts';
export {
  type Address,
  type Clock,
  type Counter,
  type DatagramHandlers,
  type DatagramPort,
  type DatagramSocket,
  type Disk,
  type DiskFile,
  type Done,
  type Duplex,
  type DuplexHandlers,
  type DuplexListener,
  type DuplexPort,
  type Gauge,
  type Histogram,
  type Logger,
  type LogLevel,
  type MetricOptions,
  type Metrics,
  type Outcome,
  type Random,
  silentLogger,
  type TimerHandle,
  type WallClock,
} from './ports.ts';
export { Prng, type PrngState } from './prng.ts';
export { replay, type ReplayDivergence, type ReplayResult } from './replay.ts';
export {
  type ActionOf,
  effect,
  type MachineObserver,
  type MachineStep,
  stateName,
  type Step,
  type StepAction,
  Stepper,
} from './stepper.ts';
export { runTask, type Task, toPromise, wait } from './task.ts';
export {
  decodeTrace,
  encodeTrace,
  type TraceCheckpoint,
  traceFormat,
  type TraceHeader,
  type TraceRecord,
  type TraceSink,
  type TraceStep,
  traceVersion,
} from './trace.ts';
export { ListRecorder, RingRecorder, Tracer, type TracerOptions } from './tracer.ts';
