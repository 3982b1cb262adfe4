/** @packageDocumentation The deterministic world: virtual time, seeded network and disk, faults, checkers, port conformance suites. */
export { clockConformance, type ClockHarness } from './conformance/clock.ts';
export type { ConformanceCase } from './conformance/conformance.ts';
export { datagramConformance, type DatagramHarness } from './conformance/datagrams.ts';
export { diskConformance, type DiskHarness } from './conformance/disk.ts';
export { duplexConformance, type DuplexHarness } from './conformance/streams.ts';
export { Counters } from './counters.ts';
export { type DiskOptions, SimulatedDisk } from './disk/simulated-disk.ts';
export { explain, type Explained } from './explain.ts';
export { InvariantBroken, SimulationFailure, type SimulationFailureOptions } from './failure.ts';
export { type Fault, performFault, type ScriptedFault } from './faults.ts';
export { nemesis, type NemesisFault, type NemesisOptions } from './nemesis.ts';
export type { DelayShape } from './network/delays.ts';
export { type NetworkOptions, quietNetwork } from './network/links.ts';
export type { MessagePort } from './network/network.ts';
export { VirtualClock } from './virtual-clock.ts';
export type { NodePorts, Process } from './process.ts';
export { World, type WorldOptions } from './world.ts';
