/**
 * One end of a simulated TCP stream.
 *
 * Bytes arrive in order, cut into other pieces than they were written in. A lost segment is late, not lost. While the link is
 * cut everything waits; after `streamPatienceMs` the sender gives up and breaks its own end, and the other end learns of it
 * only when it writes: half-open streams come from that, and from a crash whose reset did not get through.
 */
import type { Address, ClusterError, Duplex, DuplexHandlers } from '@cluster/core';
import type { Host } from '../host.ts';
import { reset } from './errors.ts';
import type { Fabric } from './fabric.ts';

const retransmitMs = 200;
// Bytes on their way beyond which a writer is told to wait.
const writeBufferBytes = 64 * 1024;
// What arrives at once, at the most.
const pieceBytesMax = 64 * 1024;
// Share of pieces cut at a random place.
const splitRate = 0.15;

/** Null stands for the end of the stream. */
type Segment = Uint8Array | null;

export class Endpoint implements Duplex {
  readonly remote: Address;
  handlers: DuplexHandlers;
  /** What `onData` is given is its own only until it returns. */
  lendsReads = false;
  readonly #fabric: Fabric;
  readonly #host: Host;
  readonly #incarnation: number;
  #peer: Endpoint | null = null;
  #closed = false;
  #ended = false;
  #remoteEnded = false;
  readonly #segments: Segment[] = [];
  #lastAtMs = 0;
  #stalledSinceMs: number | null = null;
  #unread = 0;
  #owesDrain = false;

  constructor(fabric: Fabric, host: Host, remote: Address, handlers: DuplexHandlers) {
    this.#fabric = fabric;
    this.#host = host;
    this.#incarnation = host.incarnation;
    this.remote = remote;
    this.handlers = handlers;
    const open = fabric.streams.get(host) ?? new Set();
    open.add(this);
    fabric.streams.set(host, open);
  }

  connect(peer: Endpoint, notBeforeMs: number): void {
    this.#peer = peer;
    this.#lastAtMs = notBeforeMs;
  }

  get isOpen(): boolean {
    return !this.#closed && this.#host.runs(this.#incarnation);
  }

  /** Bytes written that have not arrived: until then they are read from where the writer has them. */
  get unsentBytes(): number {
    return this.#unread;
  }

  write(bytes: Uint8Array): boolean {
    if (!this.isOpen || this.#ended) return false;
    if (bytes.length === 0) return true;
    this.#unread += bytes.length;
    this.#transmit(bytes);
    this.#owesDrain ||= this.#unread > writeBufferBytes;
    return !this.#owesDrain;
  }

  end(): void {
    if (!this.isOpen || this.#ended) return;
    this.#ended = true;
    this.#transmit(null);
    this.#closeWhenBothEnded();
  }

  destroy(): void {
    if (!this.isOpen) return;
    this.#sendReset('the peer destroyed it');
    this.#close(null);
  }

  /** The process is gone; its callbacks never fire again. The other side hears of it if the link is up. */
  abandon(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#segments.length = 0;
    this.#sendReset('the peer is gone');
  }

  /** Breaks this end alone. */
  fail(error: ClusterError): void {
    if (!this.isOpen) return;
    this.#fabric.kernel.counters.add('streamsBroken');
    this.#close(error);
  }

  #close(error: ClusterError | null): void {
    this.#closed = true;
    this.#segments.length = 0;
    this.#fabric.streams.get(this.#host)?.delete(this);
    this.#fabric.kernel.after(0, () => this.handlers.onClose(error), this.#host, this.#incarnation);
  }

  #sendReset(why: string): void {
    const { kernel, links } = this.#fabric;
    const peer = this.#peer;
    if (peer === null || !links.reaches(this.#host, peer.#host)) return;
    const arrive = (): void => {
      if (links.reaches(this.#host, peer.#host)) peer.fail(reset(peer.remote, why));
    };
    kernel.after(
      Math.max(links.delayMs(this.#host, peer.#host), this.#lastAtMs - kernel.nowMs),
      arrive,
      peer.#host,
    );
  }

  #transmit(segment: Segment): void {
    const { kernel, links } = this.#fabric;
    const peer = this.#peer;
    if (peer === null) return;
    const late = links.chance(links.of(this.#host, peer.#host).lossRate) ? retransmitMs : 0;
    const occupiedMs = links.occupyMs(this.#host, peer.#host, segment?.length ?? 0);
    const tookMs = occupiedMs + links.delayMs(this.#host, peer.#host) + late;
    this.#lastAtMs = Math.max(this.#lastAtMs, kernel.nowMs + tookMs);
    this.#segments.push(segment);
    kernel.after(this.#lastAtMs - kernel.nowMs, () => this.#arrive(peer), peer.#host);
  }

  /** The oldest segment reaches the other end, unless the link is cut: then all wait, and it is tried again. */
  #arrive(peer: Endpoint): void {
    if (this.#stalledSinceMs !== null) return;
    if (this.#fabric.links.carries(this.#host, peer.#host)) return this.#deliverOne(peer);
    this.#stalledSinceMs = this.#fabric.kernel.nowMs;
    this.#fabric.kernel.counters.add('streamsStalled');
    this.#retryLater(peer);
  }

  #retryLater(peer: Endpoint): void {
    const { kernel, links } = this.#fabric;
    const retry = (): void => {
      if (this.#stalledSinceMs === null || this.#segments.length === 0) return;
      if (links.carries(this.#host, peer.#host)) {
        this.#stalledSinceMs = null;
        // Those whose arrival found the link cut have no event of their own any more.
        while (this.#segments.length > 0) this.#deliverOne(peer);
        return;
      }
      // A blocked host's system still acknowledges what its process does not read.
      const isPatient = links.reaches(this.#host, peer.#host);
      const stalledMs = kernel.nowMs - this.#stalledSinceMs;
      if (isPatient || stalledMs < links.of(this.#host, peer.#host).streamPatienceMs)
        return this.#retryLater(peer);
      this.fail(reset(this.remote, 'the peer did not acknowledge'));
    };
    kernel.after(retransmitMs, retry, peer.#host);
  }

  #deliverOne(peer: Endpoint): void {
    const segment = this.#segments.shift();
    if (segment === undefined) return;
    this.#acknowledge(peer, segment?.length ?? 0);
    if (!peer.isOpen) {
      // The answer to bytes for a stream that is not there.
      const { kernel, links } = this.#fabric;
      const error = reset(this.remote, 'the peer knows nothing of it');
      kernel.after(links.delayMs(peer.#host, this.#host), () => this.fail(error), this.#host);
      return;
    }
    peer.#receive(segment);
  }

  #acknowledge(peer: Endpoint, bytes: number): void {
    this.#unread -= bytes;
    if (!this.#owesDrain || this.#unread > 0) return;
    this.#owesDrain = false;
    const { kernel, links } = this.#fabric;
    const backMs = links.delayMs(peer.#host, this.#host);
    kernel.after(backMs, () => this.#drained(), this.#host, this.#incarnation);
  }

  #drained(): void {
    if (this.isOpen) this.handlers.onDrain?.();
  }

  #receive(segment: Segment): void {
    if (segment === null) {
      this.#remoteEnded = true;
      this.handlers.onEnd();
      this.#closeWhenBothEnded();
      return;
    }
    const { kernel, links, prng } = this.#fabric;
    kernel.fold(segment.length);
    for (let at = 0; at < segment.length && this.isOpen;) {
      const rest = Math.min(segment.length - at, pieceBytesMax);
      const length = rest > 1 && links.chance(splitRate) ? 1 + prng.below(rest - 1) : rest;
      const read = segment.slice(at, at + length);
      this.handlers.onData(read);
      // As if the next had been read to the same place.
      if (this.lendsReads) read.fill(0xee);
      at += length;
    }
  }

  #closeWhenBothEnded(): void {
    if (this.isOpen && this.#ended && this.#remoteEnded) this.#closeOrderly();
  }

  /** Everything was said on both sides; what is still on its way goes on arriving. */
  #closeOrderly(): void {
    this.#closed = true;
    this.#fabric.streams.get(this.#host)?.delete(this);
    this.#fabric.kernel.after(0, () => this.handlers.onClose(null), this.#host, this.#incarnation);
  }
}
