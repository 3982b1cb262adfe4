/** @packageDocumentation What clients saw of a key-value store, as a text and judged: nothing here starts a process. */
export {
  checkHistory,
  type HistoryBounds,
  type HistoryVerdict,
  type Violation,
} from './checker/check-history.ts';
export { checkRegister, type SearchBounds, type Verdict } from './checker/linearizability.ts';
export {
  formatOperation,
  type Operation,
  type OperationKind,
  type OperationStatus,
  parseHistory,
  type Value,
} from './history/operation.ts';
export { type HistoryReport, objectionsTo, reportOn } from './history/report.ts';
