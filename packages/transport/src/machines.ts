/** @packageDocumentation The transport's statecharts, for any tool that opens xstate machines. */
export { breakerMachine } from './core/breaker.machine.ts';
export { connectionMachine } from './core/connection.machine.ts';
export { poolEntryMachine } from './core/pool-entry.machine.ts';
export { sessionMachine } from './core/session.machine.ts';
export { streamMachine } from './core/stream.machine.ts';
