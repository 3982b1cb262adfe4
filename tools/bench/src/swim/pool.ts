/** A pool under test, of whatever make: started, watched, robbed of members. */
import { readFile } from 'node:fs/promises';
import type { PrivateNetwork, Side } from './private-network.ts';
import type { Sightings } from './sightings.ts';

export interface Seat {
  readonly name: string;
  readonly side: Side;
  readonly host: string;
  /** Is to be killed, so it has a process of its own. */
  readonly isVictim: boolean;
}

export interface PoolSettings {
  readonly key: string;
  readonly tags: Readonly<Record<string, string>>;
}

/** What a member costs. */
export interface Usage {
  /** Used of the cores so far, by all members that are counted. */
  readonly cpuMs: number;
  readonly residentKib: number;
  readonly members: number;
}

export interface TestPool {
  readonly name: 'ours' | 'serf';
  readonly network: PrivateNetwork;
  readonly sightings: Sightings;
  /** Starts all members; each joins through the first one. */
  start(): Promise<void>;
  /** Brings `sightings` up to date. */
  look(): Promise<void>;
  /** SIGKILL. */
  kill(name: string): Promise<void>;
  /** The same member at the same address, with nothing kept. */
  restart(name: string): Promise<void>;
  /** Of the members that share processes as usual. */
  usage(): Promise<Usage>;
  /** Of members that have a process each, where that is not the usual. */
  usageAlone(): Promise<Usage | null>;
}

export const gossipPort = 7946;

/** Three fifths of the members are near, the rest far; victims are spread over both sides. */
export function seats(network: PrivateNetwork, nodes: number, victims: number): readonly Seat[] {
  const near = nearOf(nodes);
  const every = Math.floor((nodes - 1) / Math.max(1, victims));
  return Array.from({ length: nodes }, (_, i): Seat => {
    const [side, index]: [Side, number] = i < near ? ['near', i] : ['far', i - near];
    // Never the first one, through which all others join.
    const isVictim = i > 0 && i % every === 0 && i / every <= victims;
    return { name: `n${i}`, side, host: network.host(side, index), isVictim };
  });
}

export const nearOf = (nodes: number): number => Math.ceil(nodes * 0.6);

// Of Linux on every machine that Node runs on.
const ticksPerSecond = 100;

/** By the system's account, which does not care what the process is. */
export async function usageOf(pids: readonly number[], members: number): Promise<Usage> {
  let [ticks, residentKib] = [0, 0];
  for (const pid of pids) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The name, in brackets, may hold anything; behind it, user and system time are the 12th and 13th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    residentKib += Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
  }
  return { cpuMs: (ticks * 1000) / ticksPerSecond, residentKib, members };
}
