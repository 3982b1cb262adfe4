/** The node that hostile bytes are meant for: what it takes, and what reaches its handlers. */
import { MetricsRegistry } from '@cluster/core';
import { VirtualClock } from '@cluster/sim';
import {
  type Certified,
  type SecureStream,
  type SecureStreamPort,
  type TransportConfigInput,
  TransportEngine,
} from '@cluster/transport';
import { nodeDeflate } from '@cluster/transport/node';
import { demand } from '../target.ts';
import { FuzzStream, nobody } from './transport-stream.ts';

export const clusterName = 'prod';
/** Answered at once; answered late. Streams of the first are read, those of the second are not. */
export const typeIds = [64, 65] as const;
export const payloadBytesMax = 73_728;
export const streamsMax = 16;
export const queueMessagesMax = 512;
const config = {
  compression: 'deflate',
  messageBytesMax: 131_072,
  queueMessagesMax,
  queueBytesMax: 262_144,
  controlFramesMax: 256,
  windowMessages: 256,
  streamsMax,
  streamBufferBytes: 8192,
  streamsBufferBytes: 32_768,
  inboundCallsMax: 64,
  resumeTimeoutMs: 5000,
} as const;

const deflate = nodeDeflate(1);

export const certified = (id: string): Certified => ({
  identity: { clusterName, role: 'node', id },
  refusal: null,
});
export const refused: Certified = {
  identity: null,
  refusal: { code: 'TRANSPORT_CERTIFICATE_EXPIRED', reason: 'r' },
};

type Changes = Partial<TransportConfigInput>;

export class Victim {
  readonly clock = new VirtualClock();
  readonly metrics = new MetricsRegistry();
  readonly engine: TransportEngine;
  accept: (stream: SecureStream) => void = () => undefined;
  bug: string | null = null;
  handled = 0;
  readonly reached = {
    requests: 0,
    messages: 0,
    chunked: 0,
    traces: 0,
    streams: 0,
    streamBytes: 0,
    streamEnds: 0,
    streamResets: 0,
  };
  readonly #changes: Changes;
  #boots = 0;
  readonly #late: (() => void)[] = [];

  constructor(seed: number, dial: SecureStreamPort['dial'] = () => undefined, changes: Changes = {}) {
    this.#changes = changes;
    const streams: SecureStreamPort = {
      listen: (local, accept, _reject, done) => {
        this.accept = accept;
        done({ ok: true, value: { local, close: () => undefined } });
      },
      dial,
    };
    this.engine = this.boot('b', seed, streams, this.metrics);
    for (const typeId of typeIds) this.#handle(typeId, typeId === typeIds[0]);
    this.engine.start(() => undefined);
  }

  /** Handlers that were at work finish. */
  finish(): void {
    for (const answer of this.#late.splice(0)) answer();
  }

  /** What of admitted peers was refused, and cost them no more than that. */
  refused(): number {
    const count = (name: string, reasons: readonly string[]): number =>
      reasons.reduce((sum, reason) => sum + this.metrics.value(name, { reason }), 0);
    return (
      count('frames_rejected', ['unknown_type', 'overloaded']) +
      count('streams_refused', ['unknown_type', 'too_many_streams'])
    );
  }

  /** Nothing that bytes may bring about has gone beyond its bound. @param whole what takes longer to see, too. */
  check(whole: boolean, streamsOfPeerMax = streamsMax): void {
    demand(this.bug === null, `the engine failed: ${this.bug}`);
    if (!whole) return;
    const peers = this.engine.peers();
    demand(peers.length <= 2, 'peers are those with certificates');
    for (const { streams, queued, unacknowledged } of peers) {
      demand(streams <= streamsOfPeerMax, `${streams} streams are open`);
      // Resets, windows and the like are bounded by what they answer.
      demand(queued + unacknowledged <= 4 * queueMessagesMax, `${queued + unacknowledged} messages wait`);
    }
  }

  #handle(typeId: number, isPrompt: boolean): void {
    const { reached } = this;
    this.engine.handle(typeId, (bytes, { request, traceparent }, answer) => {
      this.handled++;
      reached[request === null ? 'messages' : 'requests']++;
      if (traceparent !== undefined) reached.traces++;
      if (bytes.length > payloadBytesMax) reached.chunked++;
      if (isPrompt) answer({ ok: true, value: bytes.slice() });
      else {
        const before = Buffer.from(bytes);
        this.#late.push(() => {
          demand(before.equals(bytes), 'what a handler has does not change while it works');
          answer({ ok: true, value: undefined });
        });
      }
    });
    this.engine.streams.handle(typeId, (stream) => {
      reached.streams++;
      return {
        onData: ({ length }) => {
          reached.streamBytes += length;
          if (isPrompt) stream.consume(length);
        },
        onEnd: () => {
          reached.streamEnds++;
          if (isPrompt) stream.end();
        },
        onReset: () => void reached.streamResets++,
      };
    });
  }

  boot(nodeId: string, seed: number, streams: SecureStreamPort, metrics?: MetricsRegistry): TransportEngine {
    return new TransportEngine(
      {
        nodeId,
        clusterName,
        bind: nodeId === 'b' ? { host: '10.0.0.1', port: 7000 } : null,
        ...config,
        ...this.#changes,
      },
      {
        clock: this.clock,
        streams,
        directory: { lookup: (id) => ({ ...nobody, host: id }) },
        seed,
        bootId: `boot${++this.#boots}`,
        compressor: deflate,
        metrics,
        logger: { log: (level, message) => void (level === 'error' && (this.bug = message)) },
      },
    );
  }

  /** What a genuine peer says on a connection, in order: its greeting first. */
  record(seed: number): readonly Uint8Array[] {
    const said: Uint8Array[] = [];
    const x = this.boot('x', seed, {
      listen: () => undefined,
      dial: (_remote, handlers, _timeoutMs, done) => {
        const near = new FuzzStream(certified('b'));
        const far = new FuzzStream(certified('x'));
        near.handlers = handlers;
        near.onWrite = (bytes) => {
          said.push(bytes);
          this.clock.setTimer(1, () => far.read(bytes));
        };
        far.onWrite = (bytes) => void this.clock.setTimer(1, () => near.read(bytes));
        this.accept(far);
        done({ ok: true, value: near });
      },
    });
    x.start(() => undefined);
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    for (const length of [3, 300, 30_000, 100_000])
      x.call('b', typeIds[0], new Uint8Array(length), { traceparent }, () => undefined);
    const quiet = { onData: () => undefined, onEnd: () => undefined, onReset: () => undefined };
    const [first, second] = typeIds.map((typeId) => x.streams.open('b', typeId, quiet, 'High'));
    first?.write(new Uint8Array(5000));
    first?.end();
    second?.write(new Uint8Array(500));
    this.clock.advance(1000);
    second?.reset('R', 'r');
    this.clock.advance(5000);
    const { handled, reached } = this;
    const isServed = handled === 4 && reached.streamEnds === 1 && reached.streamResets === 1;
    demand(isServed && reached.traces === 4 && said.length >= 2, 'a genuine peer was served');
    return said;
  }
}
