/** @packageDocumentation Real processes under kills, stops and partitions, and a checker of what their clients saw. */
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
export { type NemesisOptions, runNemesis } from './nemesis.ts';
export {
  inNamespace,
  ip,
  namespaceName,
  nowhere,
  removeNamespace,
  setUp,
  sweepNamespaces,
  whyNoNamespaces,
} from './namespaces.ts';
export { makeNetwork, type Network } from './network.ts';
export { type ScenarioResult } from './run-scenario.ts';
export { chooseScenarios, type Scenario, scenarios } from './scenario.ts';
