/** @packageDocumentation The main job, for real: replicated SQL on several processes, with a kill and a recovery. */
export { type DemoOptions, runDemo } from './demo.ts';
export { runSql, type SqlOptions } from './sql-command.ts';
