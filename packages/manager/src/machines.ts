export { lifecycleMachine } from './core/lifecycle.machine.ts';
