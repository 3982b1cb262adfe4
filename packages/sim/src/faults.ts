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
  slow(node: string, meanMs: number): void;
  partition(sides: readonly (readonly string[])[]): void;
  cut(from: string, to: string): void;
  mend(from: string, to: string): void;
  heal(): void;
  setNetwork(options: NetworkOptions): void;
  diskOf(node: string): {
    full: boolean;
    failRate: number;
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
  | { readonly type: 'slow'; readonly node: string; readonly meanMs: number }
  | { readonly type: 'partition'; readonly sides: readonly (readonly string[])[] }
  | { readonly type: 'cut'; readonly from: string; readonly to: string }
  | { readonly type: 'mend'; readonly from: string; readonly to: string }
  /** Ends every partition and cut. */
  | { readonly type: 'heal' }
  | { readonly type: 'network'; readonly options: NetworkOptions }
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
    case 'slow':
      return world.slow(fault.node, fault.meanMs);
    case 'partition':
      return world.partition(fault.sides);
    case 'cut':
      return world.cut(fault.from, fault.to);
    case 'mend':
      return world.mend(fault.from, fault.to);
    case 'heal':
      return world.heal();
    case 'network':
      return world.setNetwork(fault.options);
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
    disk.disarm();
    world.slow(node, 0);
    world.resume(node);
    world.restart(node);
  }
}
