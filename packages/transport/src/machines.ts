/** @packageDocumentation The transport's statecharts, for any tool that opens xstate machines. */
export { connectionMachine } from './core/connection.machine.ts';
export { linkMachine } from './core/link.machine.ts';
export { sessionMachine } from './core/session.machine.ts';
export { streamMachine } from './core/stream.machine.ts';
