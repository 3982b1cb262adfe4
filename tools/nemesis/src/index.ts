/** @packageDocumentation Real processes under kills, stops and partitions, and a checker of what their clients saw. */
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
