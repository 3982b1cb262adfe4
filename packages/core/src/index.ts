/** @packageDocumentation What all packages share: ports, the stepper, the driver, the trace, errors, configuration, metrics. */
export { fromBase64, toBase64 } from './base64.ts';
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
export { type Coalescing, EventHub, type EventHubOptions } from './events.ts';
export { type InstanceCheckpoint, MachineInstance, type Perform } from './machine.ts';
export { MachineTable, type PerformFor, type StateColumn, type TableCheckpoint } from './machine-table.ts';
export type { PendingTimer } from './machine-timers.ts';
export { memoryDisk, normalizePath } from './memory-disk.ts';
export { histogramBounds, MetricsRegistry, seriesMax } from './metrics.ts';
export { scanMsgpack } from './msgpack-scan.ts';
export { packPlain, parsePlain, plainDifference, plainEqual, stringifyPlain, unpackPlain } from './plain.ts';
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
export { ListRecorder, RingRecorder } from './recorder.ts';
export { replay, type ReplayDivergence, type ReplayResult } from './replay.ts';
export {
  type ActionOf,
  effect,
  inState,
  type MachineObserver,
  type MachineStep,
  type SnapshotData,
  stateName,
  type Step,
  type StepAction,
  Stepper,
} from './stepper.ts';
export { runTask, type Task, toPromise, wait } from './task.ts';
export {
  decodeTrace,
  encodeTrace,
  encodeTraceRecord,
  type TraceCheckpoint,
  traceFormat,
  type TraceHeader,
  type TraceRecord,
  type TraceSink,
  type TraceStep,
  type TraceTimer,
  traceVersion,
} from './trace.ts';
export { Tracer, type TracerOptions } from './tracer.ts';
