/**
 * The transport's engine at its streams: hostile bytes before a peer is admitted, after it, and from peers whose certificate was
 * refused. Nothing throws, a refused peer is never admitted, and memory stays bounded.
 *
 * Most inputs go to a peer that has been admitted, and goes on after them as long as it may: a session is deep where it has a past,
 * and a handshake for each input costs more than the input.
 */
import type { Prng } from '@cluster/core';
import { MetricsRegistry } from '@cluster/core';
import { VirtualClock } from '@cluster/sim';
import {
  type Certified,
  FrameParser,
  frameTypes,
  headerBytes,
  type SecureStream,
  type SecureStreamPort,
  TransportEngine,
} from '@cluster/transport';
import { nodeDeflate } from '@cluster/transport/node';
import { hostile, join, pieces } from '../hostile.ts';
import { demand, type FuzzTarget, type Verdict } from '../target.ts';
import { Speech } from './transport-frames.ts';
import { FuzzStream, nobody } from './transport-stream.ts';

const clusterName = 'prod';
/** Answered at once; answered late. Streams of the first are read, those of the second are not. */
const typeIds = [64, 65] as const;
const payloadBytesMax = 73_728;
const streamsMax = 16;
const queueMessagesMax = 512;
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

const certified = (id: string): Certified => ({ identity: { clusterName, role: 'node', id }, refusal: null });
const refused: Certified = {
  identity: null,
  refusal: { code: 'TRANSPORT_CERTIFICATE_EXPIRED', reason: 'r' },
};

class Victim {
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
  #boots = 0;
  readonly #late: (() => void)[] = [];

  constructor(seed: number) {
    const streams: SecureStreamPort = {
      listen: (local, accept, _reject, done) => {
        this.accept = accept;
        done({ ok: true, value: { local, close: () => undefined } });
      },
      dial: () => undefined,
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

  #handle(typeId: number, isPrompt: boolean): void {
    const { reached } = this;
    this.engine.handle(typeId, (bytes, { request, traceparent }, answer) => {
      this.handled++;
      reached[request === null ? 'messages' : 'requests']++;
      if (traceparent !== undefined) reached.traces++;
      if (bytes.length > payloadBytesMax) reached.chunked++;
      if (isPrompt) answer({ ok: true, value: bytes.slice() });
      else this.#late.push(() => answer({ ok: true, value: undefined }));
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
      { nodeId, clusterName, bind: nodeId === 'b' ? { host: '10.0.0.1', port: 7000 } : null, ...config },
      {
        clock: this.clock,
        streams,
        directory: { lookup: () => nobody },
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
          this.clock.setTimer(1, () => far.handlers.onData(bytes.slice()));
        };
        far.onWrite = (bytes) => void this.clock.setTimer(1, () => near.handlers.onData(bytes.slice()));
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

/** A peer with a good certificate, from its HELLO to its first word too much. */
class Session {
  readonly stream: FuzzStream;
  readonly speech: Speech;
  readonly #parser: FrameParser;
  #admitted = false;

  constructor(victim: Victim, id: string, speech: Speech, greeting: Uint8Array) {
    this.speech = speech;
    this.stream = new FuzzStream(certified(id));
    // What goes the other way: from it the peer knows which numbers are due.
    const heard = new FrameParser(payloadBytesMax, {
      onFrame: (type, _flags, _typeId, _stream, sequence, payload) => {
        if (type === frameTypes.helloAck) {
          this.#admitted = true;
          const said = new TextDecoder().decode(payload);
          const [, sessionId = '', taken = ''] = /"sessionId":"([^"]+)".*"received":(\d+)/.exec(said) ?? [];
          speech.begin(sessionId, Number(taken));
        } else if (type >= frameTypes.message) speech.used = sequence;
        return true;
      },
    });
    this.stream.onWrite = (bytes) => void heard.push(bytes);
    this.#parser = new FrameParser(payloadBytesMax, {
      onFrame: (type, _flags, _typeId, _stream, sequence) => {
        if (type >= frameTypes.message && sequence === (speech.taken + 1) >>> 0) speech.taken = sequence;
        return true;
      },
    });
    victim.accept(this.stream);
    this.stream.handlers.onData(greeting.slice());
    victim.clock.advance(1);
  }

  get isAdmitted(): boolean {
    return this.#admitted && !this.stream.isOver;
  }

  leave(): void {
    this.stream.handlers.onClose(null);
    this.stream.isOver = true;
  }

  say(prng: Prng, bytes: Uint8Array): void {
    for (const piece of pieces(prng, bytes)) {
      if (this.stream.isOver) return;
      this.#parser.push(piece.slice());
      demand(this.#parser.pendingBytes <= payloadBytesMax + 64, 'a parser holds back one frame at most');
      this.stream.handlers.onData(piece);
    }
  }
}

class TransportSubject {
  readonly #victim: Victim;
  readonly #greeting: Uint8Array;
  readonly #frames: readonly Uint8Array[];
  readonly #samples: readonly Uint8Array[];
  readonly #sessions = new Map<string, Session>();
  #inputs = 0;
  #sessionsBegun = 0;
  /** How often a genuine peer had to begin anew, because its session was over or a boot that was made up had followed it. */
  #generation = 0;

  constructor(seed: number) {
    // Recorded at another engine, so that to the victim it is a peer's first word.
    const [greeting = new Uint8Array(0), ...frames] = new Victim(seed).record(seed);
    this.#greeting = greeting;
    this.#frames = frames;
    this.#samples = [join(greeting, ...frames), greeting, ...frames];
    this.#victim = new Victim(seed);
  }

  feed(prng: Prng): Verdict {
    const verdict = prng.chance(0.03) ? this.#approach(prng) : this.#goOn(prng);
    this.#check(prng);
    return verdict;
  }

  reached(): Readonly<Record<string, number>> {
    const { metrics, reached } = this.#victim;
    const value = (name: string, reason?: string): number =>
      metrics.value(name, reason === undefined ? {} : { reason });
    return {
      ...reached,
      sessions: this.#sessionsBegun,
      resumed: value('reconnects'),
      duplicates: value('duplicates_dropped'),
      expanded: value('messages_expanded'),
      compressionViolations: value('frames_rejected', 'compression'),
      streamViolations: value('frames_rejected', 'stream'),
      creditViolations: value('frames_rejected', 'credit'),
      oversized: value('frames_rejected', 'oversized'),
      floods: value('frames_rejected', 'control_flood') + value('frames_rejected', 'backpressure'),
      unknownTypes: value('frames_rejected', 'unknown_type'),
    };
  }

  /** A stranger, or a peer's first words. */
  #approach(prng: Prng): Verdict {
    const victim = this.#victim;
    const bytes = prng.chance(0.5)
      ? join(this.#greeting, hostile(prng, this.#frames))
      : hostile(prng, this.#samples);
    const isStranger = prng.chance(0.2);
    const id = prng.pick(['x', 'y']) ?? 'x';
    const stream = new FuzzStream(isStranger ? refused : certified(id));
    // Its greeting may take the place of the connection there is.
    if (!isStranger) this.#sessions.get(id)?.leave();
    const peers = victim.engine.peers().length;
    const { handled } = victim;
    victim.accept(stream);
    for (const piece of pieces(prng, bytes)) if (!stream.isOver) stream.handlers.onData(piece);
    victim.clock.advance(1);
    const wasRefused = stream.isOver;
    stream.handlers.onClose(null);
    if (isStranger)
      demand(
        victim.engine.peers().length <= peers && victim.handled === handled,
        'a peer without a good certificate reaches nothing',
      );
    return wasRefused || isStranger ? 'rejected' : 'taken';
  }

  /** More of a peer that has been admitted. */
  #goOn(prng: Prng): Verdict {
    const id = prng.chance(0.5) ? 'x' : 'y';
    let session = this.#sessions.get(id);
    if (session === undefined || session.stream.isOver) {
      session?.leave();
      const speech = session?.speech ?? new Speech();
      // For long stretches, so that what it does not acknowledge comes to the bounds.
      if (prng.chance(0.01)) speech.withholds = !speech.withholds;
      session = new Session(this.#victim, id, speech, this.#greetingOf(id));
      if (!session.isAdmitted) {
        session.leave();
        this.#generation++;
        session = new Session(this.#victim, id, speech, this.#greetingOf(id));
      }
      demand(session.isAdmitted, 'a genuine greeting is taken');
      this.#sessions.set(id, session);
      this.#sessionsBegun++;
    }
    const { speech } = session;
    const refusedBefore = this.#victim.refused();
    if (prng.chance(0.01)) session.say(prng, speech.large(prng, typeIds));
    else if (prng.chance(0.93)) {
      for (let left = prng.between(1, 6); left > 0; left--) session.say(prng, speech.frame(prng, typeIds));
    } else {
      const bytes = hostile(prng, this.#frames).slice();
      if (prng.chance(0.8)) speech.renumber(bytes);
      session.say(prng, bytes);
    }
    this.#victim.clock.advance(1);
    if (session.stream.isOver) return 'rejected';
    speech.heard();
    return this.#victim.refused() > refusedBefore ? 'rejected' : 'taken';
  }

  /** Both are the peer that was recorded, at two nodes. */
  #greetingOf(id: string): Uint8Array {
    const later = this.#generation === 0 ? '' : `-${this.#generation}`;
    const text = new TextDecoder('latin1')
      .decode(this.#greeting)
      .replace('"nodeId":"x"', `"nodeId":"${id}"`)
      .replace(/"(bootId|proposedId)":"([^"]+)"/g, `"$1":"$2${later}"`);
    const greeting = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    // Its length stands before it.
    new DataView(greeting.buffer).setUint32(0, greeting.length - headerBytes);
    return greeting;
  }

  #check(prng: Prng): void {
    const { bug, clock, engine } = this.#victim;
    if (prng.chance(0.02)) this.#victim.finish();
    if (prng.chance(0.001)) clock.advance(20_000);
    demand(bug === null, `the engine failed: ${bug}`);
    if (++this.#inputs % 64 !== 0) return;
    const peers = engine.peers();
    demand(peers.length <= 2, 'peers are those with certificates');
    for (const { streams, queued, unacknowledged } of peers) {
      demand(streams <= streamsMax, `${streams} streams are open`);
      // Resets, windows and the like are bounded by what they answer.
      demand(queued + unacknowledged <= 4 * queueMessagesMax, `${queued + unacknowledged} messages wait`);
    }
  }
}

export const transportTarget: FuzzTarget = {
  name: 'transport',
  mustReach: [
    'requests',
    'messages',
    'chunked',
    'traces',
    'streams',
    'streamBytes',
    'streamEnds',
    'streamResets',
    'sessions',
    'resumed',
    'duplicates',
    'expanded',
    'compressionViolations',
    'streamViolations',
    'creditViolations',
    'oversized',
    'unknownTypes',
  ],
  make: (seed) => new TransportSubject(seed),
};
