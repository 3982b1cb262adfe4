/**
 * The transport's engines at their streams: hostile bytes before a peer is admitted, after it, and from peers whose certificate was
 * refused. Nothing throws, a refused peer is never admitted, and memory stays bounded.
 *
 * Most inputs go to a peer that has been admitted, and goes on after them as long as it may: a session is deep where it has a past,
 * and a handshake for each input costs more than the input.
 */
import type { Prng } from '@cluster/core';
import { frameTypes, headerBytes } from '@cluster/transport';
import { hostile, join, pieces } from '../hostile.ts';
import { demand, type FuzzTarget, type Verdict } from '../target.ts';
import { Speech } from './transport-frames.ts';
import { DiallingSubject } from './transport-dialling.ts';
import { FuzzStream } from './transport-stream.ts';
import { Talk } from './transport-talk.ts';
import { certified, refused, typeIds, Victim } from './transport-victim.ts';

/** A peer with a good certificate that has dialled, from its HELLO to its first word too much. */
class Session extends Talk {
  constructor(victim: Victim, id: string, speech: Speech, greeting: Uint8Array) {
    super(new FuzzStream(certified(id)), speech, (type, payload) => {
      if (type !== frameTypes.helloAck) return;
      const said = new TextDecoder().decode(payload);
      const [, sessionId = '', taken = ''] = /"sessionId":"([^"]+)".*"received":(\d+)/.exec(said) ?? [];
      this.admitted(sessionId, Number(taken));
    });
    victim.accept(this.stream);
    this.stream.read(greeting);
    victim.clock.advance(1);
  }
}

class ListeningSubject {
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
    for (const piece of pieces(prng, bytes)) if (!stream.isOver) stream.read(piece);
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
    const { clock } = this.#victim;
    if (prng.chance(0.02)) this.#victim.finish();
    if (prng.chance(0.001)) clock.advance(20_000);
    this.#victim.check(++this.#inputs % 64 === 0);
  }
}

/** Both sides of a connection: most inputs come to a node that listens, the others to one that dials. */
class TransportSubject {
  readonly #listening: ListeningSubject;
  readonly #dialling: DiallingSubject;

  constructor(seed: number) {
    this.#listening = new ListeningSubject(seed);
    this.#dialling = new DiallingSubject(seed);
  }

  feed(prng: Prng): Verdict {
    return prng.chance(0.75) ? this.#listening.feed(prng) : this.#dialling.feed(prng);
  }

  reached(): Readonly<Record<string, number>> {
    return { ...this.#listening.reached(), ...this.#dialling.reached() };
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
    'dialler.inputs',
    'dialler.sessions',
    'dialler.resumed',
    'dialler.refusedAcks',
    'dialler.refusedCertificates',
    'dialler.failedDials',
    'dialler.answers',
    'dialler.largeAnswers',
    'dialler.errors',
    'dialler.timeouts',
    'dialler.lost',
    'dialler.requests',
    'dialler.streamBytes',
    'dialler.violations',
  ],
  make: (seed) => new TransportSubject(seed),
};
