/** @packageDocumentation Where a query goes: five strategies, ejection of failing endpoints, routes that close themselves. */
export { Balancer, type EndpointStatus } from './balancer.ts';
export {
  type BalancerConfig,
  type BalancerConfigInput,
  balancerConfigSchema,
  parseBalancerConfig,
  type StrategyName,
  strategyNames,
} from './config.ts';
export { BalancerCore } from './core/balancer-core.ts';
export type { Endpoint, EndpointInput, EndpointMode, Estimate, LoadReport, Tier } from './core/endpoint.ts';
export type { BalancerEffect, BalancerEvent, BalancerInput, RouteReason } from './core/messages.ts';
export type { Picker, PickRequest, PickView } from './core/picker.ts';
export { pickers } from './core/pickers/index.ts';
export type { BalancerPorts, ReplicaMap } from './ports.ts';
export { type Outcome, Route } from './route.ts';
