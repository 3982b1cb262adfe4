/** @packageDocumentation How good each path is: round trips measured by probes, loss, quality, and up, degraded or down. */
export {
  type HealthConfig,
  type HealthConfigInput,
  healthConfigSchema,
  parseHealthConfig,
} from './config.ts';
export { HealthCore } from './core/health-core.ts';
export type { HealthEffect, HealthEvent, HealthInput, LossCause } from './core/messages.ts';
export type { PathQuality, PathState } from './core/path.ts';
export { SampleWindow } from './core/sample-window.ts';
export { type Score, type ScoreComponents, scoreOf } from './core/score.ts';
export { HealthMonitor } from './health-monitor.ts';
export type { HealthPorts, Prober } from './ports.ts';
