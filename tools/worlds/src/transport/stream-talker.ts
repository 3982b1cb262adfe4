/**
 * Streams of the world: each carries bytes that tell their place, first the length of the whole; the reader takes them at its own
 * pace and sends as many back, and either side may give up. A stream that ends has brought everything, in order.
 */
import type { Prng } from '@cluster/core';
import type { NodePorts, World } from '@cluster/sim';
import { type ByteStream, priorities, type StreamHandlers, type TransportEngine } from '@cluster/transport';
import type { TransportChecker } from './checker.ts';

const type = 70;
const headBytes = 4;
const answerBytesMax = 60_000;
const give = 'GIVEN_UP';

const markAt = (total: number, at: number): number => (total * 13 + at * 7 + (at >>> 8)) & 255;

function content(total: number): Uint8Array {
  const bytes = Uint8Array.from({ length: total }, (_, at) => markAt(total, at));
  new DataView(bytes.buffer).setUint32(0, total);
  return bytes;
}

export class StreamTalker {
  /** Streams of this process that are not over, on either side. */
  open = 0;
  readonly #world: World;
  readonly #checker: TransportChecker;
  readonly #ports: NodePorts;
  readonly #engine: TransportEngine;
  readonly #prng: Prng;

  constructor(
    world: World,
    checker: TransportChecker,
    ports: NodePorts,
    engine: TransportEngine,
    prng: Prng,
  ) {
    this.#world = world;
    this.#checker = checker;
    this.#ports = ports;
    this.#engine = engine;
    this.#prng = prng;
    engine.streams.handle(type, (stream) => {
      world.counters.add('streamsAccepted');
      return this.#attend(stream, this.#reader(stream, true));
    });
  }

  /** Opens a stream, now and then some that are large, if the peer can be reached and has room. */
  begin(to: string): void {
    const prng = this.#prng;
    if (prng.chance(0.85))
      this.#open(to, headBytes + (prng.chance(0.3) ? prng.below(60_000) : prng.below(500)));
    else for (let i = 0; i < 5; i++) this.#open(to, prng.between(60_000, 200_000));
  }

  #open(to: string, total: number): void {
    const prng = this.#prng;
    const late: { handlers: StreamHandlers | null } = { handlers: null };
    const forward: StreamHandlers = {
      onData: (bytes) => late.handlers?.onData(bytes),
      onEnd: () => late.handlers?.onEnd(),
      onReset: (error) => late.handlers?.onReset(error),
      onDrain: () => late.handlers?.onDrain?.(),
    };
    let stream: ByteStream;
    try {
      stream = this.#engine.streams.open(to, type, forward, prng.pick(priorities));
    } catch {
      return;
    }
    this.#world.counters.add('streamsBegun');
    const reader = this.#reader(stream, false);
    const attended = this.#attend(stream, reader);
    late.handlers = attended;
    reader.send(total);
    if (!prng.chance(0.1)) return;
    this.#ports.clock.setTimer(prng.below(200), () => {
      stream.reset(give, 'no more wanted');
      attended.giveUp();
    });
  }

  /** Counts the stream until neither side says any more. */
  #attend(stream: ByteStream, reader: StreamReader): StreamHandlers & { giveUp(): void } {
    this.open++;
    let isOver = false;
    const over = (name: string): void => {
      if (isOver) this.#world.fail('a stream ends once', `${stream.key} of ${this.#ports.name}`);
      isOver = true;
      this.open--;
      this.#world.counters.add(name);
    };
    return {
      onData: (bytes) => {
        if (isOver) this.#world.fail('a stream that has ended says no more', stream.key);
        reader.take(bytes);
      },
      onEnd: () => {
        over('streamsEnded');
        reader.end();
      },
      onReset: ({ code }) => {
        if (!isOver) over(code === give ? 'streamsGivenUp' : 'streamsLost');
      },
      onDrain: () => reader.more(),
      giveUp: () => {
        if (!isOver) over('streamsGivenUp');
      },
    };
  }

  #reader(stream: ByteStream, answers: boolean): StreamReader {
    return new StreamReader(this.#world, this.#checker, this.#ports, this.#prng, stream, answers);
  }
}

class StreamReader {
  readonly #world: World;
  readonly #checker: TransportChecker;
  readonly #ports: NodePorts;
  readonly #prng: Prng;
  readonly #stream: ByteStream;
  readonly #answers: boolean;
  readonly #head = new Uint8Array(headBytes);
  #got = 0;
  #held = 0;
  #pausesUntilMs = 0;
  #total = 0;
  #toSend: Uint8Array = new Uint8Array(0);
  #sent = 0;

  constructor(
    world: World,
    checker: TransportChecker,
    ports: NodePorts,
    prng: Prng,
    stream: ByteStream,
    answers: boolean,
  ) {
    this.#world = world;
    this.#checker = checker;
    this.#ports = ports;
    this.#prng = prng;
    this.#stream = stream;
    this.#answers = answers;
  }

  send(total: number): void {
    this.#toSend = content(total);
    this.more();
  }

  more(): void {
    const bytes = this.#toSend;
    try {
      while (this.#sent < bytes.length) {
        const piece = bytes.subarray(this.#sent, this.#sent + 1 + this.#prng.below(9000));
        this.#sent += piece.length;
        if (!this.#stream.write(piece)) return;
      }
      this.#stream.end();
    } catch {
      // It was reset: the handlers are told.
    }
  }

  take(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (this.#got < headBytes) {
        this.#head[this.#got++] = byte;
        if (this.#got === headBytes) this.#total = new DataView(this.#head.buffer).getUint32(0);
      } else if (byte !== markAt(this.#total, this.#got++)) {
        this.#world.fail(
          'bytes of a stream come as they were sent',
          `${this.#stream.key} at ${this.#got - 1}`,
        );
        return;
      }
    }
    const { clock } = this.#ports;
    this.#held += bytes.length;
    this.#checker.reads(`${this.#stream.key} of ${this.#ports.name}`, this.#held);
    const nowMs = clock.nowMs();
    // Now and then it does not read at all for a while.
    if (this.#prng.chance(0.01)) this.#pausesUntilMs = nowMs + this.#prng.below(400);
    const delayMs = Math.max(this.#pausesUntilMs - nowMs, this.#prng.chance(0.7) ? 0 : this.#prng.below(50));
    const finish = (): void => {
      this.#held -= bytes.length;
      // A stream that was given up has let go of all it had.
      this.#stream.consume(Math.min(bytes.length, this.#stream.unread));
    };
    if (delayMs === 0) finish();
    else clock.setTimer(delayMs, finish);
  }

  end(): void {
    if (this.#got !== this.#total)
      this.#world.fail('a stream that ends has brought everything', `${this.#got} of ${this.#total} bytes`);
    if (this.#answers) this.send(Math.min(Math.max(headBytes, this.#total), answerBytesMax));
  }
}
