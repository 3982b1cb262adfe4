/** What the simulated network knows: who has which address, and what is bound there. */
import type { Address, DatagramHandlers, Duplex, Prng } from '@cluster/core';
import type { Host } from '../host.ts';
import type { Kernel } from '../kernel.ts';
import { Links, type NetworkOptions } from './links.ts';

export interface BoundSocket {
  readonly handlers: DatagramHandlers;
}

export interface Listener {
  readonly host: Host;
  readonly accept: (stream: Duplex) => void;
}

/** One end of a stream, as the network sees it when the process dies. */
export interface StreamEnd {
  abandon(): void;
}

const firstEphemeralPort = 49_152;
const wildcards: ReadonlySet<string> = new Set(['0.0.0.0', '::', '']);

export class Fabric {
  readonly kernel: Kernel;
  readonly links: Links;
  readonly prng: Prng;
  readonly hosts = new Map<string, Host>();
  readonly #sockets = new Map<Host, Map<number, BoundSocket>>();
  readonly listeners = new Map<string, Listener>();
  readonly streams = new Map<Host, Set<StreamEnd>>();
  readonly #hostAt = new Map<string, Host>();
  #nextPort = firstEphemeralPort;

  constructor(kernel: Kernel, prng: Prng, options: NetworkOptions) {
    this.kernel = kernel;
    this.prng = prng;
    this.links = new Links(kernel, prng.fork('links'), options);
  }

  add(host: Host): void {
    this.hosts.set(host.name, host);
    this.#hostAt.set(host.address, host);
  }

  /** By port. */
  socketsOf(host: Host): Map<number, BoundSocket> {
    let bound = this.#sockets.get(host);
    if (bound === undefined) this.#sockets.set(host, (bound = new Map()));
    return bound;
  }

  hostAt(address: string): Host | undefined {
    return this.#hostAt.get(address);
  }

  /** The concrete address a wildcard or port 0 stands for; null when it is not one of this host. */
  resolve(host: Host, local: Address): Address | null {
    if (!wildcards.has(local.host) && local.host !== host.address) return null;
    return local.port === 0 ? this.ephemeral(host) : { host: host.address, port: local.port };
  }

  /** A port that nothing uses. */
  ephemeral(host: Host): Address {
    return { host: host.address, port: this.#nextPort++ };
  }
}
