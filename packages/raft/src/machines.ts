/** @packageDocumentation The machines of this package, for any xstate tool. */
export { progressMachine } from './core/progress.machine.ts';
export { roleMachine } from './core/role.machine.ts';
