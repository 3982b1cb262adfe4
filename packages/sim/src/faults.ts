/** Faults as data, so that a script of them can be written, kept, shortened and replayed. */
import { unreachable } from '@cluster/core';
import type { NetworkOptions } from './network/links.ts';

/** What faults are done to: a world. */
export interface FaultTarget {
  readonly nodes: readonly string[];
  crash(node: string, options: { readonly keepsMemory: boolean }): void;
  restart(node: string): void;
  pause(node: string): void;
  resume(node: string): void;
  block(node: string, blocked: boolean): void;
  slow(node: string, meanMs: number): void;
  starve(node: string, times: { readonly runMs: number; readonly stallMs: number }): void;
  setClockRate(node: string, rate: number): void;
  partition(sides: readonly (readonly string[])[], options: { readonly isBridged?: boolean }): void;
  cut(from: string, to: string): void;
  mend(from: string, to: string): void;
  heal(): void;
  setNetwork(options: NetworkOptions): void;
  setLink(from: string, to: string, options: NetworkOptions): void;
  diskOf(node: string): {
    full: boolean;
    failRate: number;
    nextWrite: 'sound' | 'lost' | 'misdirected';
    rot(): void;
    wipe(): void;
    setTrap(operations: number, spring: () => void): void;
    disarm(): void;
  };
}

export type Fault =
  | { readonly type: 'crash'; readonly node: string; readonly keepsMemory?: boolean }
  /** Crashes in the middle of the write or sync that begins after so many others. */
  | {
      readonly type: 'crashAtDisk';
      readonly node: string;
      readonly operations: number;
      readonly keepsMemory?: boolean;
    }
  | { readonly type: 'restart'; readonly node: string }
  | { readonly type: 'pause'; readonly node: string }
  | { readonly type: 'resume'; readonly node: string }
  /** What it sends and receives waits; its timers run. */
  | { readonly type: 'block'; readonly node: string; readonly blocked: boolean }
  | { readonly type: 'slow'; readonly node: string; readonly meanMs: number }
  /** It runs and stalls in turn; a stall of 0 ends it. */
  | { readonly type: 'starve'; readonly node: string; readonly runMs: number; readonly stallMs: number }
  /** Its clock runs at this rate; 1 is right. */
  | { readonly type: 'drift'; readonly node: string; readonly rate: number }
  | {
      readonly type: 'partition';
      readonly sides: readonly (readonly string[])[];
      /** Some are on no side: they reach both. */
      readonly isBridged?: boolean;
    }
  | { readonly type: 'cut'; readonly from: string; readonly to: string }
  | { readonly type: 'mend'; readonly from: string; readonly to: string }
  /** Ends every partition and cut. */
  | { readonly type: 'heal' }
  | { readonly type: 'network'; readonly options: NetworkOptions }
  /** One direction of a link differs in this from the network; in nothing: not any more. */
  | { readonly type: 'link'; readonly from: string; readonly to: string; readonly options: NetworkOptions }
  /** Crashes, and comes back on an empty disk. */
  | { readonly type: 'wipe'; readonly node: string }
  /** So many bits of what was written long ago turn over. */
  | { readonly type: 'rot'; readonly node: string; readonly bits: number }
  /** The next write is reported done and never happens, or happens elsewhere in its file. */
  | { readonly type: 'badWrite'; readonly node: string; readonly fate: 'lost' | 'misdirected' }
  | { readonly type: 'diskFull'; readonly node: string; readonly full: boolean }
  | { readonly type: 'diskFailing'; readonly node: string; readonly rate: number }
  /** Everything as it should be: links mended, network quiet, disks sound, every node running. */
  | { readonly type: 'calm' };

export type ScriptedFault = Fault & {
  /** When, counted from the beginning of the script. */
  readonly atMs: number;
};

export function performFault(world: FaultTarget, fault: Fault): void {
  switch (fault.type) {
    case 'crash':
      return world.crash(fault.node, { keepsMemory: fault.keepsMemory ?? false });
    case 'crashAtDisk':
      return world
        .diskOf(fault.node)
        .setTrap(fault.operations, () =>
          world.crash(fault.node, { keepsMemory: fault.keepsMemory ?? false }),
        );
    case 'restart':
      return world.restart(fault.node);
    case 'pause':
      return world.pause(fault.node);
    case 'resume':
      return world.resume(fault.node);
    case 'block':
      return world.block(fault.node, fault.blocked);
    case 'slow':
      return world.slow(fault.node, fault.meanMs);
    case 'starve':
      return world.starve(fault.node, fault);
    case 'drift':
      return world.setClockRate(fault.node, fault.rate);
    case 'partition':
      return world.partition(fault.sides, fault);
    case 'cut':
      return world.cut(fault.from, fault.to);
    case 'mend':
      return world.mend(fault.from, fault.to);
    case 'heal':
      return world.heal();
    case 'network':
      return world.setNetwork(fault.options);
    case 'link':
      return world.setLink(fault.from, fault.to, fault.options);
    case 'wipe':
      world.crash(fault.node, { keepsMemory: false });
      return world.diskOf(fault.node).wipe();
    case 'rot':
      for (let i = 0; i < fault.bits; i++) world.diskOf(fault.node).rot();
      return;
    case 'badWrite':
      world.diskOf(fault.node).nextWrite = fault.fate;
      return;
    case 'diskFull':
      world.diskOf(fault.node).full = fault.full;
      return;
    case 'diskFailing':
      world.diskOf(fault.node).failRate = fault.rate;
      return;
    case 'calm':
      return calm(world);
    default:
      return unreachable(fault);
  }
}

function calm(world: FaultTarget): void {
  world.heal();
  world.setNetwork({});
  for (const node of world.nodes) {
    const disk = world.diskOf(node);
    disk.full = false;
    disk.failRate = 0;
    disk.nextWrite = 'sound';
    disk.disarm();
    world.block(node, false);
    world.slow(node, 0);
    world.starve(node, { runMs: 0, stallMs: 0 });
    world.setClockRate(node, 1);
    for (const other of world.nodes) world.setLink(node, other, {});
    world.resume(node);
    world.restart(node);
  }
}
