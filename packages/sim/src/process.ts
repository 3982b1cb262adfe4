/** What runs on a node of the world, and what it gets. */
import type { Clock, DatagramPort, Disk, DuplexPort, Logger, Tracer, WallClock } from '@cluster/core';
import type { MessagePort } from './network/network.ts';

/** What a process gets. All of it is dead once the process is. */
export interface NodePorts {
  readonly name: string;
  /** Address of the node in the simulated network. */
  readonly host: string;
  /** Counts the processes that have run on this node, from 1. */
  readonly incarnation: number;
  readonly clock: Clock;
  readonly wallClock: WallClock;
  readonly datagrams: DatagramPort;
  readonly streams: DuplexPort;
  readonly disk: Disk;
  readonly messages: (topic: string) => MessagePort;
  /** Differs from process to process. */
  readonly seed: number;
  readonly tracer: Tracer | undefined;
  readonly logger: Logger;
}

export interface Process {
  /** An orderly end; a crash does not call it. */
  stop?(): void;
}
