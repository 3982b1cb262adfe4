/** @packageDocumentation The statecharts of the balancer, for any tool that opens xstate machines. */
export { endpointMachine } from './core/endpoint.machine.ts';
