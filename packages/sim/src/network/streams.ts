/** Listening and dialling: the handshake of a simulated TCP stream. */
import {
  type Address,
  type ClusterError,
  type Done,
  type Duplex,
  type DuplexHandlers,
  type DuplexListener,
  type DuplexPort,
  formatAddress,
} from '@cluster/core';
import type { Host } from '../host.ts';
import { Endpoint } from './endpoint.ts';
import { addressInUse, addressNotHere, dialTimedOut, refused } from './errors.ts';
import type { Fabric, Listener } from './fabric.ts';

// A dialler repeats what was not answered.
const dialRetryMs = 250;

const mute: DuplexHandlers = { onData: () => undefined, onEnd: () => undefined, onClose: () => undefined };

export function streamPort(fabric: Fabric, host: Host, incarnation: number): DuplexPort {
  const { kernel } = fabric;
  return {
    listen(local, accept, done) {
      const answer = (): void => {
        const bound = listen(fabric, host, local, accept);
        done('code' in bound ? { ok: false, error: bound } : { ok: true, value: bound });
      };
      kernel.after(0, answer, host, incarnation);
    },
    dial(remote, handlers, timeoutMs, done) {
      if (host.runs(incarnation)) new Dial(fabric, host, remote, handlers, timeoutMs, done).attempt();
    },
  };
}

function listen(
  fabric: Fabric,
  host: Host,
  wanted: Address,
  accept: (stream: Duplex) => void,
): DuplexListener | ClusterError {
  const local = fabric.resolve(host, wanted);
  if (local === null) return addressNotHere(wanted, host.name);
  const at = formatAddress(local);
  if (fabric.listeners.has(at)) return addressInUse(local);
  const listener: Listener = { host, accept };
  fabric.listeners.set(at, listener);
  return {
    local,
    close: () => {
      if (fabric.listeners.get(at) === listener) fabric.listeners.delete(at);
    },
  };
}

class Dial {
  readonly #fabric: Fabric;
  readonly #host: Host;
  readonly #incarnation: number;
  readonly #remote: Address;
  readonly #handlers: DuplexHandlers;
  readonly #done: Done<Duplex>;
  readonly #local: Address;
  #settled = false;

  constructor(
    fabric: Fabric,
    host: Host,
    remote: Address,
    handlers: DuplexHandlers,
    timeoutMs: number,
    done: Done<Duplex>,
  ) {
    this.#fabric = fabric;
    this.#host = host;
    this.#incarnation = host.incarnation;
    this.#remote = remote;
    this.#handlers = handlers;
    this.#done = done;
    this.#local = fabric.ephemeral(host);
    const expire = (): void => this.#finish(dialTimedOut(remote, timeoutMs));
    fabric.kernel.after(timeoutMs, expire, host, host.incarnation);
  }

  attempt(): void {
    if (this.#settled || !this.#host.runs(this.#incarnation)) return;
    const { kernel, links } = this.#fabric;
    const target = this.#fabric.hostAt(this.#remote.host);
    const gets =
      target !== undefined &&
      links.carries(this.#host, target) &&
      !links.chance(links.of(this.#host, target).lossRate);
    if (gets) kernel.after(links.delayMs(this.#host, target), () => this.#knock(target), target);
    else kernel.after(dialRetryMs, () => this.attempt(), this.#host, this.#incarnation);
  }

  /** The dialler's first packet arrives. */
  #knock(target: Host): void {
    if (this.#settled) return;
    const { kernel, links } = this.#fabric;
    if (!links.carries(this.#host, target) || !links.carries(target, this.#host)) {
      kernel.after(dialRetryMs, () => this.attempt(), this.#host, this.#incarnation);
      return;
    }
    const backMs = links.delayMs(target, this.#host);
    const listener = target.up ? this.#fabric.listeners.get(formatAddress(this.#remote)) : undefined;
    if (listener === undefined) {
      const answer = (): void => this.#finish(refused(this.#remote));
      kernel.after(backMs, answer, this.#host, this.#incarnation);
      return;
    }
    const theirs = new Endpoint(this.#fabric, target, this.#local, mute);
    const ours = new Endpoint(this.#fabric, this.#host, this.#remote, this.#handlers);
    // Their first byte cannot arrive before the answer to the knock.
    theirs.connect(ours, kernel.nowMs + backMs);
    ours.connect(theirs, kernel.nowMs);
    kernel.after(backMs, () => this.#open(ours), this.#host, this.#incarnation);
    kernel.counters.add('streamsOpened');
    listener.accept(theirs);
  }

  #open(ours: Endpoint): void {
    if (this.#settled) return ours.destroy();
    this.#settled = true;
    this.#done({ ok: true, value: ours });
  }

  #finish(error: ClusterError): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#done({ ok: false, error });
  }
}
