/** @packageDocumentation The statecharts of path health, for any tool that opens xstate machines. */
export { pathMachine } from './core/path.machine.ts';
