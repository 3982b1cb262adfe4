import { MetricsRegistry, type Tracer } from '@cluster/core';
import {
  type PeerEvent,
  type PeerIdentity,
  type Refusal,
  TransportEngine,
  type TransportConfigInput,
} from '@cluster/transport';
import { nodeDeflate } from '@cluster/transport/node';
import { FakeClock, MemoryNetwork, ProcessClock } from './memory-network.ts';

export interface Booted {
  readonly engine: TransportEngine;
  readonly metrics: MetricsRegistry;
  readonly events: PeerEvent[];
  readonly logged: { readonly message: string; readonly code: unknown; readonly reason: unknown }[];
  readonly identity: PeerIdentity;
  /** SIGKILL: its connections break, its timers never fire. */
  kill(): void;
}

export interface BootOptions extends Partial<TransportConfigInput> {
  readonly role?: 'node' | 'client';
  readonly certificate?: Partial<PeerIdentity>;
  readonly judge?: (peer: PeerIdentity) => Refusal | null;
  readonly tracer?: Tracer;
  readonly soon?: (run: () => void) => void;
  readonly allocate?: (bytes: number) => Uint8Array;
}

/** Engines on a network in memory, in virtual time. */
export class EngineWorld {
  readonly clock = new FakeClock();
  readonly network: MemoryNetwork;
  readonly #ports = new Map<string, number>();
  #boots = 0;

  constructor(seed = 1) {
    this.network = new MemoryNetwork(this.clock, seed);
  }

  portOf(nodeId: string): number {
    const port = this.#ports.get(nodeId) ?? 7000 + this.#ports.size;
    this.#ports.set(nodeId, port);
    return port;
  }

  /** Starts a process; the same id again is a new boot at the same address. */
  boot(
    nodeId: string,
    { role = 'node', certificate, judge, tracer, soon, allocate, ...config }: BootOptions = {},
  ): Booted {
    const process = new ProcessClock(this.clock);
    const metrics = new MetricsRegistry();
    const logged: { message: string; code: unknown; reason: unknown }[] = [];
    const events: PeerEvent[] = [];
    const identity = { clusterName: 'prod', role, id: nodeId, ...certificate };
    const bind = role === 'node' ? { host: 'memory', port: this.portOf(nodeId) } : null;
    const engine = new TransportEngine(
      { nodeId, clusterName: 'prod', bind, ...config },
      {
        clock: process,
        streams: this.network.port(identity, judge, process),
        directory: {
          lookup: (id) => {
            const port = this.#ports.get(id);
            return port === undefined ? undefined : { host: 'memory', port };
          },
        },
        seed: ++this.#boots,
        bootId: `boot-${this.#boots}`,
        compressor: nodeDeflate(1),
        metrics,
        logger: {
          log: (_level, message, fields) =>
            void logged.push({ message, code: fields?.['code'], reason: fields?.['reason'] }),
        },
        ...(tracer ? { tracer } : {}),
        ...(soon ? { soon } : {}),
        ...(allocate ? { allocate } : {}),
      },
    );
    engine.onPeer((event) => void events.push(event));
    engine.start(() => undefined);
    const kill = (): void => {
      process.alive = false;
      this.network.cutAll();
    };
    return { engine, metrics, events, logged, identity, kill };
  }

  run(ms: number): void {
    this.clock.run(ms);
  }
}

export const number = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
};
export const toNumber = (bytes: Uint8Array): number =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(0);
