/**
 * A node that dials, and whoever answers it: certificates that are refused, HELLO_ACKs that lie, anything at all in their place; and,
 * once they have been admitted, answers that were asked for and others. Every call ends, whatever its peer says.
 */
import { type Done, type DuplexHandlers, networkError, type Prng } from '@cluster/core';
import {
  encodeFrame,
  flagBits,
  type FrameType,
  frameTypes,
  type SecureStream,
  type StreamHandlers,
  writeHeader,
} from '@cluster/transport';
import { hostile, join } from '../hostile.ts';
import { demand, type Verdict } from '../target.ts';
import { Speech } from './transport-frames.ts';
import { FuzzStream } from './transport-stream.ts';
import { Talk } from './transport-talk.ts';
import {
  certified,
  clusterName,
  payloadBytesMax,
  refused,
  streamsMax,
  typeIds,
  Victim,
} from './transport-victim.ts';

const config = {
  callsMax: 128,
  requestTimeoutMs: 1000,
  dialAttemptsMax: 1,
  backoffMinMs: 1,
  backoffMaxMs: 10,
} as const;
const priorities = ['Critical', 'High', 'Normal', 'Low'] as const;
const u32 = 0xffff_ffff;
const silent: StreamHandlers = { onData: () => undefined, onEnd: () => undefined, onReset: () => undefined };

/** What a HELLO says, as far as its answer depends on it. */
interface Hello {
  readonly nodeId: string;
  readonly sessionId: string | null;
  readonly proposedId: string;
  readonly received: number;
  readonly limits: Readonly<Record<string, number>>;
}

/** A request that waits: its stream and its priority. */
interface Asked {
  readonly stream: number;
  readonly priority: number;
}

/** One of those that are dialled. */
class Listener {
  readonly id: string;
  readonly speech = new Speech();
  talk: Talk | null = null;
  hello: Hello | null = null;
  /** What it was last told when it was not wanted. */
  refusal = '';
  /** Of the session that was last agreed on. */
  sessionId: string | null = null;
  readonly asked: Asked[] = [];
  #boot = 1;

  constructor(id: string) {
    this.id = id;
  }

  /** The victim has dialled. */
  connect(stream: FuzzStream): void {
    this.talk?.leave();
    this.hello = null;
    this.talk = new Talk(stream, this.speech, (type, payload, number, flags) =>
      this.#heard(type, payload, number, flags),
    );
  }

  /** The process that comes next is another one: the boot that was made up may have been admitted. */
  reboot(): void {
    this.#boot++;
    this.sessionId = null;
  }

  /** A HELLO_ACK, honest but for these changes. */
  ack(hello: Hello, changes: Readonly<Record<string, unknown>> = {}): Uint8Array {
    const resumes = hello.sessionId !== null && hello.sessionId === this.sessionId;
    const said = {
      versionMin: 1,
      versionMax: 1,
      clusterName,
      nodeId: this.id,
      expectedId: hello.nodeId,
      bootId: `${this.id}-${this.#boot}`,
      capabilities: ['deflate'],
      limits: hello.limits,
      codecHashes: {},
      sessionId: resumes ? hello.sessionId : hello.proposedId,
      proposedId: null,
      received: resumes ? this.speech.used : 0,
      ...changes,
    };
    return encodeFrame(frameTypes.helloAck, new TextEncoder().encode(`CLTP${JSON.stringify(said)}`));
  }

  /** It has been said, and means what it says. */
  agree(hello: Hello): void {
    const resumes = hello.sessionId !== null && hello.sessionId === this.sessionId;
    this.sessionId = resumes ? hello.sessionId : hello.proposedId;
    if (!resumes) this.asked.length = 0;
    this.talk?.admitted(this.sessionId ?? '', resumes ? hello.received : 0);
  }

  #heard(type: FrameType, payload: Uint8Array, stream: number, flags: number): void {
    if (type === frameTypes.hello)
      this.hello = JSON.parse(new TextDecoder().decode(payload.subarray(4))) as Hello;
    else if (type === frameTypes.refused) this.refusal = new TextDecoder().decode(payload);
    else if (type === frameTypes.request) this.asked.push({ stream, priority: flags & flagBits.priority });
    if (this.asked.length > 64) this.asked.shift();
  }
}

export class DiallingSubject {
  readonly #victim: Victim;
  readonly #listeners: readonly Listener[] = ['x', 'y'].map((id) => new Listener(id));
  #prng: Prng | null = null;
  #inputs = 0;
  /** Calls that have not ended. */
  #open = 0;
  readonly #reached = {
    sessions: 0,
    refusedAcks: 0,
    refusedCertificates: 0,
    failedDials: 0,
    answers: 0,
    largeAnswers: 0,
    errors: 0,
    timeouts: 0,
    lost: 0,
  };

  constructor(seed: number) {
    const dial: ConstructorParameters<typeof Victim>[1] = (to, handlers, _timeoutMs, done) =>
      void this.#victim.clock.setTimer(1, () => this.#dialled(to.host, handlers, done));
    this.#victim = new Victim(seed, dial, config);
  }

  feed(prng: Prng): Verdict {
    this.#prng = prng;
    const { clock } = this.#victim;
    const listener = prng.pick(this.#listeners) as Listener;
    if (prng.chance(0.3)) this.#act(prng, listener.id);
    const { talk } = listener;
    if (talk?.stream.isOver === true || prng.chance(0.05)) {
      talk?.leave();
      listener.hello = null;
    }
    const verdict =
      talk?.isAdmitted === true ? this.#goOn(prng, listener, talk) : this.#answer(prng, listener);
    if (prng.chance(0.02)) this.#victim.finish();
    if (prng.chance(0.001)) {
      for (const { talk: other } of this.#listeners) if (other?.stream.isOver === true) other.leave();
      // Before any session is over.
      clock.advance(config.requestTimeoutMs + 500);
      demand(this.#open === 0, `${this.#open} calls have not ended`);
      clock.advance(20_000);
    }
    // Its own, and those of its peer.
    this.#victim.check(++this.#inputs % 64 === 0, 2 * streamsMax);
    return verdict;
  }

  reached(): Readonly<Record<string, number>> {
    const { metrics, reached } = this.#victim;
    const violations = ['stream', 'credit', 'oversized', 'chunk', 'sequence', 'ack', 'compression', 'trace'];
    const all = {
      inputs: this.#inputs,
      ...this.#reached,
      resumed: metrics.value('reconnects'),
      requests: reached.requests,
      streamBytes: reached.streamBytes,
      violations: violations.reduce((sum, reason) => sum + metrics.value('frames_rejected', { reason }), 0),
    };
    return Object.fromEntries(Object.entries(all).map(([what, count]) => [`dialler.${what}`, count]));
  }

  #dialled(id: string, handlers: DuplexHandlers, done: Done<SecureStream>): void {
    const prng = this.#prng as Prng;
    if (prng.chance(0.03)) {
      this.#reached.failedDials++;
      done({ ok: false, error: networkError('NET_REFUSED', 'Nobody listens.') });
      return;
    }
    const shown = prng.chance(0.94) ? id : prng.pick(['x', 'y', 'b', 'z', '']);
    const stream = new FuzzStream(shown === '' ? refused : certified(shown ?? id));
    stream.handlers = handlers;
    this.#listeners.find((listener) => listener.id === id)?.connect(stream);
    done({ ok: true, value: stream });
    if (shown === id) return;
    this.#reached.refusedCertificates++;
    demand(stream.isOver, 'who is not who was dialled is told so, and not greeted');
  }

  /** Something for the peer: it has to be dialled, or is told it. */
  #act(prng: Prng, id: string): void {
    const { engine } = this.#victim;
    const typeId = prng.pick(typeIds) ?? 0;
    const bytes = new Uint8Array(
      prng.chance(0.02) ? prng.between(payloadBytesMax, 100_000) : prng.below(300),
    );
    const priority = prng.pick(priorities) ?? 'Normal';
    const kind = prng.float();
    if (kind < 0.6) this.#call(prng, id, bytes, priority);
    else if (kind < 0.7) engine.post(id, typeId, bytes, priority);
    else if (kind < 0.75) engine.ping(id, 500, () => undefined);
    else {
      try {
        const stream = engine.streams.open(id, typeId, silent, priority);
        stream.write(bytes);
        const end = prng.below(4);
        if (end < 2) stream.end();
        else if (end === 2) stream.reset();
      } catch {
        // It cannot be reached at the moment, or takes no more.
      }
    }
  }

  #call(prng: Prng, id: string, bytes: Uint8Array, priority: (typeof priorities)[number]): void {
    const reached = this.#reached;
    let isOpen = true;
    this.#open++;
    const until = prng.chance(0.8) ? 'answer' : 'arrival';
    const call = this.#victim.engine.call(id, typeIds[0], bytes, { priority, until }, (outcome) => {
      demand(isOpen, 'a call ends once');
      isOpen = false;
      this.#open--;
      if (outcome.ok) reached[outcome.value.length > payloadBytesMax ? 'largeAnswers' : 'answers']++;
      else if (outcome.error.code === 'TRANSPORT_REMOTE_ERROR') reached.errors++;
      else if (outcome.error.code === 'TRANSPORT_TIMEOUT') reached.timeouts++;
      else reached.lost++;
    });
    if (call !== null && prng.chance(0.05)) this.#victim.engine.cancel(call);
  }

  /** The first words to a HELLO, or to whatever came in its place. */
  #answer(prng: Prng, listener: Listener): Verdict {
    const { clock, engine } = this.#victim;
    for (let tries = 0; listener.hello === null && tries < 20; tries++) {
      engine.post(listener.id, typeIds[0], new Uint8Array(1));
      clock.advance(15);
      if (listener.talk?.stream.isOver === true) listener.talk.leave();
    }
    const { hello, talk } = listener;
    demand(hello !== null && talk !== null, 'a node that has something to say dials');
    listener.hello = null;
    const isHonest = prng.chance(0.7);
    if (isHonest) {
      listener.agree(hello);
      talk.say(prng, this.#honest(prng, listener, hello));
      clock.advance(1);
      demand(talk.isAdmitted, `an honest answer is taken: ${listener.refusal}`);
      this.#reached.sessions++;
      return 'taken';
    }
    const lie = prng.chance(0.5) ? lieOf(prng, hello) : null;
    talk.say(prng, lie === null ? this.#dishonest(prng, listener, hello) : listener.ack(hello, lie));
    clock.advance(1);
    const wasRefused = talk.stream.isOver;
    demand(lie === null || wasRefused, `a HELLO_ACK is refused that says ${JSON.stringify(lie)}`);
    if (wasRefused) this.#reached.refusedAcks++;
    talk.leave();
    listener.reboot();
    return wasRefused ? 'rejected' : 'taken';
  }

  /** In some, it takes little. */
  #honest(prng: Prng, listener: Listener, hello: Hello): Uint8Array {
    if (prng.chance(0.9)) return listener.ack(hello);
    const limits = Object.fromEntries(
      Object.keys(hello.limits).map((name) => [name, prng.between(1024, 4096)]),
    );
    return listener.ack(hello, { limits: { ...limits, streamsMax: prng.below(3) } });
  }

  #dishonest(prng: Prng, listener: Listener, hello: Hello): Uint8Array {
    const ack = listener.ack(hello);
    const more = Array.from({ length: 3 }, () => listener.speech.frame(prng, typeIds));
    const hellos = [encodeFrame(frameTypes.hello, ack.subarray(16)), encodeFrame(frameTypes.goaway)];
    return hostile(prng, [ack, join(ack, ...more), ...more, ...hellos]);
  }

  /** More of a peer that has been admitted. */
  #goOn(prng: Prng, { speech, asked }: Listener, talk: Talk): Verdict {
    if (prng.chance(0.05)) talk.say(prng, speech.large(prng, typeIds));
    for (let left = prng.between(1, 5); left > 0; left--) {
      const index = prng.below(asked.length + 1);
      const [request] = prng.chance(0.5) ? asked.splice(index, 1) : [];
      if (request === undefined) talk.say(prng, speech.frame(prng, typeIds));
      else for (const frame of reply(prng, request)) talk.say(prng, numbered(frame, speech));
    }
    this.#victim.clock.advance(1);
    if (talk.stream.isOver) return 'rejected';
    speech.heard();
    return 'taken';
  }
}

/** What no HELLO_ACK may say. */
function lieOf(prng: Prng, { sessionId, limits }: Hello): Readonly<Record<string, unknown>> {
  const lies: readonly Readonly<Record<string, unknown>>[] = [
    { sessionId: 'nobody-has-offered-it' },
    { sessionId: null },
    // More than there was. Less is none: it may have acknowledged more since, on the connection before.
    { sessionId, received: 1_000_000_000 },
    { sessionId, bootId: 'another' },
    { nodeId: 'z' },
    { expectedId: 'z' },
    { clusterName: 'test' },
    { versionMin: 2, versionMax: 9 },
    { limits: {} },
    { limits: { ...limits, streamWindowBytes: u32 } },
    { codecHashes: { '': '' } },
    { capabilities: Array.from({ length: 65 }, () => 'x') },
  ];
  return prng.pick(lies) ?? {};
}

function numbered(frame: Uint8Array, speech: Speech): Uint8Array {
  speech.renumber(frame);
  return frame;
}

/** An answer: small, an error, or in two chunks; now and then in another priority, or not what it claims to be. */
function reply(prng: Prng, asked: Asked): readonly Uint8Array[] {
  const { stream } = asked;
  const priority = prng.chance(0.95) ? asked.priority : prng.below(4);
  const make = (
    type: FrameType,
    flags: number,
    length: number,
    typeId: number,
    number: number,
  ): Uint8Array => {
    const frame = encodeFrame(type, new Uint8Array(length).fill(prng.below(256)));
    writeHeader(frame, 0, length, type, flags, typeId, number, 0);
    return frame;
  };
  const kind = prng.float();
  if (kind < 0.7) return [make(frameTypes.response, priority, prng.below(200), 0, stream)];
  if (kind < 0.85) return [make(frameTypes.error, priority, prng.below(20), 0, stream)];
  const total = prng.between(payloadBytesMax + 1, 120_000);
  const rest = total - 65_536 - (prng.chance(0.1) ? 1 : 0);
  const chunk = make(frameTypes.chunk, priority, 65_536, 1, total);
  if (prng.chance(0.1)) return [chunk, make(frameTypes.void, priority | flagBits.completes, 0, 1, 0)];
  return [chunk, make(frameTypes.response, priority | flagBits.completes, rest, 0, stream)];
}
