/** @packageDocumentation The statecharts of membership, for any xstate tool. */
export { agentMachine } from './core/agent.machine.ts';
export { checkMachine } from './core/check.machine.ts';
export { memberMachine } from './core/member.machine.ts';
export { probeMachine } from './core/probe.machine.ts';
export { rejoinMachine } from './core/rejoin.machine.ts';
export { conflictMachine } from './serf/conflict.machine.ts';
export { intentMachine } from './serf/intent.machine.ts';
export { metadataMachine } from './metadata/metadata.machine.ts';
export { queryMachine } from './serf/query.machine.ts';
export { partitionMachine } from './quorum/partition.machine.ts';
