import {
  type Address,
  ClusterError,
  type Clock,
  type Done,
  type DuplexHandlers,
  type DuplexListener,
  Prng,
  type TimerHandle,
} from '@cluster/core';
import type { Certified, PeerIdentity, Refusal, SecureStream, SecureStreamPort } from '@cluster/transport';

interface FakeTimer {
  readonly dueMs: number;
  readonly order: number;
  /** Null: cancelled. */
  fire: (() => void) | null;
}

const isBefore = (a: FakeTimer, b: FakeTimer): boolean =>
  a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);

/** A heap: the timer that is due first on top, and those of one time in the order in which they were set. */
class Timers {
  readonly #heap: FakeTimer[] = [];

  get first(): FakeTimer | undefined {
    return this.#heap[0];
  }

  push(timer: FakeTimer): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(timer);
    for (let above = (at - 1) >> 1; at > 0; at = above, above = (at - 1) >> 1) {
      const parent = heap[above] as FakeTimer;
      if (!isBefore(timer, parent)) break;
      heap[at] = parent;
      heap[above] = timer;
    }
  }

  shift(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    for (let at = 0, below = 1; below < heap.length; below = 2 * at + 1) {
      const right = heap[below + 1];
      if (right !== undefined && isBefore(right, heap[below] as FakeTimer)) below++;
      const child = heap[below] as FakeTimer;
      if (!isBefore(child, last)) break;
      heap[at] = child;
      heap[below] = last;
      at = below;
    }
  }
}

/** Virtual time: nothing happens until it is told to run. */
export class FakeClock implements Clock {
  #nowMs = 0;
  #order = 0;
  readonly #timers = new Timers();

  nowMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, fire: () => void): TimerHandle {
    const timer: FakeTimer = { dueMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, fire };
    this.#timers.push(timer);
    return { cancel: () => void (timer.fire = null) };
  }

  run(forMs: number): void {
    const untilMs = this.#nowMs + forMs;
    for (let due = this.#timers.first; due !== undefined && due.dueMs <= untilMs; due = this.#timers.first) {
      this.#timers.shift();
      if (due.fire === null) continue;
      this.#nowMs = due.dueMs;
      due.fire();
    }
    this.#nowMs = untilMs;
  }
}

/** The clock as one process sees it: when the process is dead, nothing fires. */
export class ProcessClock implements Clock {
  alive = true;
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  setTimer(delayMs: number, fire: () => void): TimerHandle {
    return this.#clock.setTimer(delayMs, () => {
      if (this.alive) fire();
    });
  }
}

const gone = (): ClusterError =>
  new ClusterError({
    code: 'TRANSPORT_CONNECTION_LOST',
    fault: 'environment',
    message: 'cut.',
    advice: 'None.',
  });

/** One half of a pair: bytes arrive at the other half later, in order, in pieces of any size. */
class MemoryStream implements SecureStream {
  readonly remote: Address = { host: 'memory', port: 0 };
  readonly lendsReads = true;
  readonly certified: Certified;
  handlers: DuplexHandlers;
  other: MemoryStream | null = null;
  closed = false;
  /** Bytes vanish, and nobody is told. */
  blackHole = false;
  #ended = false;
  #inFlight = 0;
  #blocked = false;
  /** When the path has taken everything. */
  #freeMs = 0;
  readonly #network: MemoryNetwork;

  constructor(network: MemoryNetwork, certified: Certified, handlers: DuplexHandlers) {
    this.#network = network;
    this.certified = certified;
    this.handlers = handlers;
  }

  get unsentBytes(): number {
    return this.#network.isDeep ? 0 : this.#inFlight;
  }

  write(written: Uint8Array): boolean {
    if (this.#ended || this.closed) return true;
    const { clock, prng, latencyMs, bytesPerMs, isDeep } = this.#network;
    this.#freeMs = Math.max(this.#freeMs, clock.nowMs());
    // Not copied before it leaves: who writes to its memory too early is found out.
    const bytes = isDeep ? written.slice() : written;
    for (let at = 0; at < bytes.length;) {
      const piece = bytes.subarray(at, at + (prng.chance(0.3) ? 1 + prng.below(40) : 65_536));
      at += piece.length;
      this.#inFlight += piece.length;
      this.#freeMs += piece.length / bytesPerMs;
      clock.setTimer(this.#freeMs - clock.nowMs() + latencyMs, () => this.#arrive(piece));
    }
    this.#blocked = !this.#network.isDeep && this.#inFlight >= 65_536;
    return !this.#blocked;
  }

  #arrive(piece: Uint8Array): void {
    this.#inFlight -= piece.length;
    if (!this.closed && !this.blackHole && this.other?.closed === false) {
      const read = piece.slice();
      this.other.handlers.onData(read);
      // It is read into again: who looks at it later is found out.
      read.fill(0xee);
    }
    if (this.#blocked && this.#inFlight === 0 && !this.closed && !this.blackHole) {
      this.#blocked = false;
      this.handlers.onDrain?.();
    }
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const { clock, latencyMs } = this.#network;
    clock.setTimer(latencyMs, () => {
      if (!this.blackHole && this.other?.closed === false) this.other.handlers.onEnd();
    });
  }

  destroy(): void {
    if (this.closed) return;
    this.closed = true;
    const { clock, latencyMs } = this.#network;
    const { other } = this;
    if (!this.blackHole && other !== null) clock.setTimer(latencyMs, () => other.cut());
    this.handlers.onClose(null);
  }

  /** The connection breaks: what is under way is lost. */
  cut(): void {
    if (this.closed) return;
    this.closed = true;
    this.handlers.onClose(gone());
  }
}

export class MemoryNetwork {
  readonly clock: FakeClock;
  readonly prng: Prng;
  latencyMs = 1;
  /** What a connection carries in each direction. */
  bytesPerMs = Infinity;
  /** What is written has left at once, as where a system has large buffers. */
  isDeep = false;
  readonly #listeners = new Map<
    number,
    {
      accept: (stream: SecureStream) => void;
      identity: PeerIdentity;
      certify: (peer: PeerIdentity) => Certified;
      process: { readonly alive: boolean };
    }
  >();
  readonly #pairs: MemoryStream[] = [];
  /** Connections whose ends may both be alive. */
  dials = 0;
  /** Ports nobody can reach: dials fail. */
  readonly down = new Set<number>();

  constructor(clock: FakeClock, seed: number) {
    this.clock = clock;
    this.prng = Prng.fromSeed(seed, 'network');
  }

  /** The streams of one process, which shows this identity. */
  port(
    identity: PeerIdentity,
    judge: (peer: PeerIdentity) => Refusal | null = () => null,
    process: { readonly alive: boolean } = { alive: true },
  ): SecureStreamPort {
    const certify = (peer: PeerIdentity): Certified => {
      const refusal = judge(peer);
      return refusal === null ? { identity: peer, refusal: null } : { identity: null, refusal };
    };
    return {
      listen: (local: Address, accept, _reject, done: Done<DuplexListener>) => {
        this.#listeners.set(local.port, { accept, identity, certify, process });
        const close = (): void => {
          if (this.#listeners.get(local.port)?.accept === accept) this.#listeners.delete(local.port);
        };
        done({ ok: true, value: { local, close } });
      },
      dial: (remote, handlers, _timeoutMs, done) => {
        this.dials++;
        this.clock.setTimer(this.latencyMs, () => {
          const listener = this.#listeners.get(remote.port);
          if (!process.alive) return;
          if (listener?.process.alive !== true || this.down.has(remote.port)) {
            const refused = { code: 'TRANSPORT_CONNECT_FAILED', fault: 'environment' as const };
            done({
              ok: false,
              error: new ClusterError({ ...refused, message: 'refused.', advice: 'None.' }),
            });
            return;
          }
          const near = new MemoryStream(this, certify(listener.identity), handlers);
          const silent = { onData: () => undefined, onEnd: () => undefined, onClose: () => undefined };
          const far = new MemoryStream(this, listener.certify(identity), silent);
          near.other = far;
          far.other = near;
          this.#pairs.push(near, far);
          listener.accept(far);
          done({ ok: true, value: near });
        });
      },
    };
  }

  get live(): number {
    return this.#pairs.filter((stream) => !stream.closed).length / 2;
  }

  /** Breaks every connection. */
  cutAll(): void {
    for (const stream of this.#pairs) stream.cut();
    this.#pairs.length = 0;
  }

  /** Breaks the connection that was made first. */
  cutFirst(): void {
    for (const stream of this.#pairs.splice(0, 2)) stream.cut();
  }

  /** From now on who has accepted a connection is not read any more, and hears the other side all the same. */
  stopReading(): void {
    for (const [i, stream] of this.#pairs.entries()) if (i % 2 === 1) stream.blackHole = true;
  }

  /** From now on nothing arrives on the connections there are, and nobody is told. */
  swallowAll(): void {
    for (const stream of this.#pairs) stream.blackHole = true;
  }
}
