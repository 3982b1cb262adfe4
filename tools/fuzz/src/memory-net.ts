/** Datagrams and streams between engines of one process, in virtual time; whatever is said is kept as a sample. */
import type {
  Address,
  Clock,
  DatagramHandlers,
  DatagramPort,
  Duplex,
  DuplexHandlers,
  DuplexListener,
  DuplexPort,
} from '@cluster/core';
import { networkError } from '@cluster/core';

const samplesMax = 2000;
const silence: DuplexHandlers = { onData: () => undefined, onEnd: () => undefined, onClose: () => undefined };

/** An end of a stream that only listens: what an engine says to it is counted and forgotten. */
export class DeafStream implements Duplex {
  readonly remote: Address;
  handlers: DuplexHandlers = silence;
  saidBytes = 0;
  isOver = false;

  constructor(remote: Address) {
    this.remote = remote;
  }

  write(bytes: Uint8Array): boolean {
    this.saidBytes += bytes.length;
    return true;
  }

  end(): void {
    this.isOver = true;
  }

  destroy(): void {
    this.isOver = true;
  }
}

class PairedStream extends DeafStream {
  other: PairedStream | null = null;
  /** Everything this end has said. */
  readonly said: Uint8Array[] = [];
  readonly #clock: Clock;

  constructor(remote: Address, clock: Clock, handlers = silence) {
    super(remote);
    this.#clock = clock;
    this.handlers = handlers;
  }

  override write(bytes: Uint8Array): boolean {
    const copy = bytes.slice();
    this.said.push(copy);
    this.#later(() => this.other?.handlers.onData(copy.slice()));
    return true;
  }

  override end(): void {
    this.#later(() => this.other?.handlers.onEnd());
  }

  override destroy(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.handlers.onClose(null);
    this.#later(() => this.other?.destroy());
  }

  #later(run: () => void): void {
    this.#clock.setTimer(1, () => {
      if (this.other?.isOver === false) run();
    });
  }
}

export class MemoryNet {
  readonly packets: Uint8Array[] = [];
  /** The streams there were; each end's bytes joined are a sample. */
  readonly ends: PairedStream[] = [];
  readonly receivers = new Map<string, DatagramHandlers>();
  readonly listeners = new Map<string, (stream: Duplex) => void>();
  /** Closed: what is sent is counted and lost. */
  isOpen = true;
  sent = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  datagrams(): DatagramPort {
    return {
      bind: (local, handlers, done) => {
        this.receivers.set(local.host, handlers);
        const send = (bytes: Uint8Array, to: Address): void => {
          this.sent++;
          if (!this.isOpen) return;
          if (this.packets.length < samplesMax) this.packets.push(bytes);
          this.#clock.setTimer(1, () => this.receivers.get(to.host)?.onMessage(bytes, local));
        };
        done({ ok: true, value: { local, send, close: () => undefined } });
      },
    };
  }

  streams(): DuplexPort {
    return {
      listen: (local, accept, done) => {
        this.listeners.set(local.host, accept);
        const listener: DuplexListener = { local, close: () => undefined };
        done({ ok: true, value: listener });
      },
      dial: (remote, handlers, _timeoutMs, done) => {
        const accept = this.isOpen ? this.listeners.get(remote.host) : undefined;
        this.sent++;
        if (accept === undefined) {
          const refused = networkError('NET_REFUSED', 'Nobody listens.');
          this.#clock.setTimer(1, () => done({ ok: false, error: refused }));
          return;
        }
        const near = new PairedStream(remote, this.#clock, handlers);
        const far = new PairedStream(remote, this.#clock);
        near.other = far;
        far.other = near;
        if (this.ends.length < 200) this.ends.push(near, far);
        this.#clock.setTimer(1, () => {
          accept(far);
          done({ ok: true, value: near });
        });
      },
    };
  }
}
