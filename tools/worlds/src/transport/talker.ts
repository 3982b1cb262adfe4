/** A process of the world at work: it posts, calls, pings and takes calls back, and its handlers answer at once, late, or with an error. */
import { ClusterError, type Done, type Outcome, Prng } from '@cluster/core';
import type { NodePorts, World } from '@cluster/sim';
import {
  type Call,
  type EngineHandler,
  priorities,
  type Priority,
  type TransportEngine,
} from '@cluster/transport';
import type { TransportChecker, Until } from './checker.ts';
import { StreamTalker } from './stream-talker.ts';
import { answerTo, headBytes, isAnswerTo, read, write } from './message.ts';

const workType = 64;
/** Its handler takes as many milliseconds as the length of the answer that is asked for. */
const slowType = 65;
const everyMs = 20;
// The deadline's tick, and a little.
const lateMs = 60;
// What a slow process may be behind with.
const slowMs = 4000;

export class Talker {
  /** This process, unique in the world. */
  readonly sender: string;
  readonly incarnation: number;
  /** Calls that have not ended. */
  pending = 0;
  refusedPosts = 0;
  readonly streams: StreamTalker;
  readonly #world: World;
  readonly #checker: TransportChecker;
  readonly #ports: NodePorts;
  readonly #names: readonly string[];
  readonly #engine: TransportEngine;
  readonly #isTalking: () => boolean;
  readonly #lateMs: number;
  readonly #prng: Prng;
  readonly #turns = new Map<string, number>();
  readonly #isLent: boolean;

  constructor(
    world: World,
    checker: TransportChecker,
    ports: NodePorts,
    names: readonly string[],
    engine: TransportEngine,
    choices: { readonly isTalking: () => boolean; readonly mayBeSlow: boolean },
  ) {
    this.#world = world;
    this.#checker = checker;
    this.#ports = ports;
    this.#names = names;
    this.#engine = engine;
    this.#isTalking = choices.isTalking;
    this.#lateMs = choices.mayBeSlow ? slowMs : lateMs;
    this.#prng = Prng.fromSeed(ports.seed, 'talker');
    this.incarnation = ports.incarnation;
    this.sender = `${ports.name}-${ports.incarnation}`;
    this.streams = new StreamTalker(world, checker, ports, engine, this.#prng);
    // Some nodes have their handlers keep what they are given, others have it lent.
    this.#isLent = names.indexOf(ports.name) % 2 === 1;
    engine.handle(workType, this.#work, { compress: true, lent: this.#isLent });
    engine.handle(slowType, this.#workSlowly);
  }

  begin(): void {
    const { clock } = this.#ports;
    const next = (): void => {
      clock.setTimer(this.#prng.exponential(everyMs), next);
      if (this.#isTalking()) this.#say();
    };
    next();
  }

  /** One call in each priority; returns how many. */
  askAll(to: string, timeoutMs: number, answered: () => void): number {
    for (const priority of priorities)
      this.#call(to, 'answer', priority, headBytes, { type: slowType, answerBytes: 0, timeoutMs, answered });
    return priorities.length;
  }

  /** A call whose handler takes so long; returns how many. */
  askSlowly(to: string, takesMs: number, answered: () => void): number {
    const options = { type: slowType, answerBytes: takesMs, timeoutMs: 10 * takesMs, answered };
    this.#call(to, 'answer', 'Normal', headBytes, options);
    return 1;
  }

  #say(): void {
    const prng = this.#prng;
    const to = prng.pick(this.#names.filter((name) => name !== this.#ports.name)) ?? '';
    const priority = prng.pick(priorities) ?? 'Normal';
    const what = prng.float();
    if (what < 0.5) this.#post(to, priority, this.#length());
    else if (what < 0.8) this.#call(to, 'answer', priority, this.#length(), this.#callOptions());
    else if (what < 0.92) this.#call(to, 'arrival', priority, this.#length(), this.#callOptions());
    else if (what < 0.95) this.#ping(to);
    else if (what < 0.965) this.streams.begin(to);
    else if (what < 0.985)
      for (let i = prng.between(5, 60); i > 0; i--) this.#post(to, priority, this.#length());
    else {
      const slow = { type: slowType, answerBytes: prng.below(100), timeoutMs: 500 };
      for (let i = prng.between(5, 30); i > 0; i--) this.#call(to, 'answer', priority, headBytes, slow);
    }
  }

  #length(): number {
    const prng = this.#prng;
    if (prng.chance(0.02)) {
      this.#world.counters.add('chunkedMessages');
      return prng.between(74_000, 250_000);
    }
    return headBytes + (prng.chance(0.1) ? prng.below(20_000) : prng.below(200));
  }

  #callOptions(): CallChoice {
    const prng = this.#prng;
    return {
      type: workType,
      answerBytes: prng.chance(0.03) ? prng.between(74_000, 200_000) : prng.below(200),
      timeoutMs: prng.chance(0.2) ? prng.between(1, 100) : prng.between(500, 3000),
      abortAfterMs: prng.chance(0.1) ? prng.below(60) : undefined,
    };
  }

  #write(id: number, to: string, priority: Priority, length: number, answerBytes: number): Uint8Array {
    const key = `${to} ${priority}`;
    const turn = (this.#turns.get(key) ?? 0) + 1;
    this.#turns.set(key, turn);
    const from = this.#names.indexOf(this.#ports.name);
    const { incarnation: boot } = this.#ports;
    return write({ id, from, boot, priority: priorities.indexOf(priority), turn, answerBytes }, length);
  }

  #post(to: string, priority: Priority, length: number): void {
    const id = this.#checker.sends('post', this.sender, to);
    this.#world.counters.add('posts');
    const bytes = this.#write(id, to, priority, length, 0);
    if (this.#engine.post(to, workType, bytes, priority, undefined, wantsCompression(id))) return;
    this.refusedPosts++;
    this.#checker.refused(id);
  }

  #call(
    to: string,
    until: Until & ('answer' | 'arrival'),
    priority: Priority,
    length: number,
    choice: CallChoice,
  ): void {
    const { type, answerBytes, timeoutMs, abortAfterMs, answered } = choice;
    const id = this.#checker.sends(until, this.sender, to);
    this.#world.counters.add(until === 'answer' ? 'calls' : 'arrivals');
    const bytes = this.#write(id, to, priority, length, answerBytes);
    this.#track<Uint8Array>(
      timeoutMs,
      abortAfterMs,
      (done) =>
        this.#engine.call(
          to,
          type,
          bytes,
          { priority, timeoutMs, until, compress: wantsCompression(id) },
          done,
        ),
      {
        ended: (outcome) => {
          this.#checker.ended(id, outcome);
          if (outcome.ok && until === 'answer') this.#stays(() => isAnswerTo(outcome.value, id));
          if (outcome.ok) answered?.();
          else if (answered !== undefined)
            this.#world.fail(
              'in calm every call is answered',
              `${this.sender} to ${to}: ${outcome.error.message}`,
            );
        },
        overdue: () => this.#checker.overdue(id),
      },
    );
  }

  #ping(to: string): void {
    this.#world.counters.add('pings');
    const id = this.#checker.sends('post', `${this.sender} ping`, to);
    const timeoutMs = this.#prng.between(50, 1000);
    this.#track<number>(timeoutMs, undefined, (done) => this.#engine.ping(to, timeoutMs, done), {
      ended: () => this.#checker.refused(id),
      overdue: () => this.#world.fail('every call ends by its deadline', `a ping of ${this.sender} to ${to}`),
    });
  }

  /** Watches a call: that it ends once, and in time by this process's own clock. */
  #track<T>(
    timeoutMs: number,
    abortAfterMs: number | undefined,
    start: (done: Done<T>) => Call | null,
    { ended, overdue }: { readonly ended: (outcome: Outcome<T>) => void; readonly overdue: () => void },
  ): void {
    const { clock } = this.#ports;
    let isOver = false;
    this.pending++;
    const call = start((outcome) => {
      isOver = true;
      this.pending--;
      this.#count(outcome);
      ended(outcome);
    });
    if (call === null) return;
    // Twice: when a process that was frozen goes on, everything is due at once, in any order.
    const again = (): void =>
      void clock.setTimer(this.#lateMs, () => {
        if (!isOver) overdue();
      });
    clock.setTimer(timeoutMs + lateMs, () => {
      if (!isOver) again();
    });
    if (abortAfterMs === undefined) return;
    clock.setTimer(abortAfterMs, () => {
      if (!isOver) this.#engine.cancel(call);
    });
  }

  /** What was given to keep is looked at later, too. */
  #stays(isIntact: () => boolean): void {
    this.#ports.clock.setTimer(20, () => this.#checker.stays(isIntact()));
  }

  #count<T>(outcome: Outcome<T>): void {
    const { counters } = this.#world;
    if (outcome.ok) {
      counters.add('answers');
      return;
    }
    const { error } = outcome;
    const name = namesByCode[error.code];
    if (name !== undefined) counters.add(name);
    if (error.retry === 'safe') counters.add('givenUpSafely');
    const { remoteCode } = error as { remoteCode?: string };
    if (remoteCode === 'TRANSPORT_OVERLOADED') counters.add('overloads');
  }

  readonly #work: EngineHandler = (bytes, context, answer) => {
    const prng = this.#prng;
    const said = this.#take(bytes, context);
    if (said === null) return;
    const { id, answerBytes, finished } = said;
    const finish = (): void => {
      finished();
      if (!this.#isLent) this.#checker.stays(read(bytes)?.id === id);
      if (prng.chance(0.03)) answer({ ok: false, error: moody });
      else answer({ ok: true, value: context.request === null ? undefined : answerTo(id, answerBytes) });
    };
    const mood = prng.float();
    if (mood < 0.7) finish();
    else this.#ports.clock.setTimer(mood < 0.95 ? prng.below(60) : prng.between(500, 2000), finish);
  };

  readonly #workSlowly: EngineHandler = (bytes, context, answer) => {
    const said = this.#take(bytes, context);
    if (said === null) return;
    this.#ports.clock.setTimer(said.answerBytes, () => {
      said.finished();
      this.#checker.stays(read(bytes)?.id === said.id);
      answer({ ok: true, value: answerTo(said.id, headBytes) });
    });
  };

  #take(
    bytes: Uint8Array,
    { from, line, priority, request }: Parameters<EngineHandler>[1],
  ): { readonly id: number; readonly answerBytes: number; readonly finished: () => void } | null {
    const { name } = this.#ports;
    const index = priorities.indexOf(priority);
    const said = this.#checker.delivered(name, from, index, bytes);
    if (said === null) return null;
    const finished = this.#checker.holds(name, `${from} ${line}`, index, bytes.length, request !== null);
    return { id: said.id, answerBytes: said.answerBytes, finished };
  }
}

/** Of every other message. */
const wantsCompression = (id: number): boolean => id % 2 === 0;

interface CallChoice {
  readonly type: number;
  readonly answerBytes: number;
  readonly timeoutMs: number;
  readonly abortAfterMs?: number | undefined;
  readonly answered?: () => void;
}

const namesByCode: Readonly<Record<string, string>> = {
  TRANSPORT_BACKPRESSURE: 'refusedByBackpressure',
  TRANSPORT_MAYBE_DELIVERED: 'maybeDelivered',
  TRANSPORT_TIMEOUT: 'timeouts',
  TRANSPORT_ABORTED: 'aborts',
  TRANSPORT_REMOTE_ERROR: 'remoteErrors',
};

const moody = new ClusterError({
  code: 'MOODY',
  fault: 'bug',
  message: 'The handler does not feel like it.',
  advice: 'None.',
});
