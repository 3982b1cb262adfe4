/** The three ways to talk: datagrams, streams, and messages by name. */
import type { DatagramPort, DuplexPort } from '@cluster/core';
import type { Host } from '../host.ts';
import { datagramPort } from './datagrams.ts';
import type { Fabric } from './fabric.ts';
import { streamPort } from './streams.ts';

/** Messages between nodes by name: what a transport offers to a protocol, without the transport. Unordered, may be lost or doubled. */
export interface MessagePort {
  send(to: string, bytes: Uint8Array): void;
  onMessage(receive: (from: string, bytes: Uint8Array) => void): void;
}

type Receive = (from: string, bytes: Uint8Array) => void;

export class Network {
  readonly #fabric: Fabric;
  readonly #topics = new Map<Host, Map<string, Receive>>();

  constructor(fabric: Fabric) {
    this.#fabric = fabric;
  }

  add(host: Host): void {
    this.#fabric.add(host);
  }

  datagrams(host: Host): DatagramPort {
    return datagramPort(this.#fabric, host, host.incarnation);
  }

  streams(host: Host): DuplexPort {
    return streamPort(this.#fabric, host, host.incarnation);
  }

  messages(host: Host, incarnation: number, topic: string): MessagePort {
    const receivers = this.#topics.get(host) ?? new Map<string, Receive>();
    this.#topics.set(host, receivers);
    return {
      onMessage: (receive) => {
        if (host.runs(incarnation)) receivers.set(topic, receive);
      },
      send: (to, bytes) => {
        const target = this.#fabric.hosts.get(to);
        if (target === undefined || !host.runs(incarnation)) return;
        const { kernel, links } = this.#fabric;
        // No bytes of a socket's buffer: what a transport has accepted waits as long as it has to.
        const arrive = (): void => kernel.receive(target, 0, () => this.#arrive(host, target, topic, bytes));
        kernel.transmit(host, 0, () => links.send(host, target, bytes.length, arrive));
      },
    };
  }

  #arrive(from: Host, to: Host, topic: string, bytes: Uint8Array): void {
    const { counters } = this.#fabric.kernel;
    const receive = to.up ? this.#topics.get(to)?.get(topic) : undefined;
    if (receive === undefined) return counters.add('droppedNoReceiver');
    this.#fabric.kernel.fold(bytes.length);
    // A copy for each receiver: what one does with its bytes must not show in a duplicate.
    receive(from.name, bytes.slice());
  }

  /** The process on the host is gone: its sockets close, its streams break, as far as the network lets that be known. */
  crash(host: Host): void {
    const { listeners, streams } = this.#fabric;
    this.#topics.delete(host);
    this.#fabric.socketsOf(host).clear();
    for (const [at, listener] of listeners) if (listener.host === host) listeners.delete(at);
    for (const stream of streams.get(host) ?? []) stream.abandon();
    streams.delete(host);
  }
}
