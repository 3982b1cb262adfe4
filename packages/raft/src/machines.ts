/** @packageDocumentation The machines of this package, for any xstate tool. */
export { configurationMachine } from './core/configuration.machine.ts';
export { progressMachine } from './core/progress.machine.ts';
export { roleMachine } from './core/role.machine.ts';
export { sendingMachine } from './core/sending.machine.ts';
export { snapshotMachine } from './core/snapshot.machine.ts';
