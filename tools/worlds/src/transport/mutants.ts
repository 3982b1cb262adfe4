/** Planted bugs of the transport, put around its ports so that production code stays as it is. The checker has to find each. */
import type { Clock, Prng } from '@cluster/core';
import {
  type Compressor,
  flagBits,
  frameTypes,
  type SecureStream,
  type SecureStreamPort,
  type TransportConfigInput,
} from '@cluster/transport';
import { tailPacker } from './tail-packer.ts';
import { type Change, tampering } from './tampering.ts';

/** Changes what a node gets or says; without it the world is sound. */
export interface TransportMutant {
  readonly name: string;
  readonly config?: Partial<TransportConfigInput>;
  readonly clock?: (clock: Clock) => Clock;
  readonly compressor?: Compressor;
  readonly streams?: (streams: SecureStreamPort, prng: Prng) => SecureStreamPort;
}

const { completes } = flagBits;

const saying = (name: string, makeChange: (prng: Prng) => Change): TransportMutant => ({
  name,
  streams: (streams, prng) => tampering(streams, () => makeChange(prng)),
});

/** An acknowledgement tells of the next message too. */
export const acknowledgesTooEarly = saying('acknowledges too early', () => (frame) => {
  if (frame.type === frameTypes.ack) frame.sequence++;
  return [frame];
});

/** Now and then a message is lost between the queue and the wire, and its number goes to nothing. */
const losing = (name: string, isPost: boolean, chance: number): TransportMutant =>
  saying(name, (prng) => (frame) => {
    const isOne = frame.type === frameTypes.message && (frame.flags & completes) === 0;
    if (isOne && (frame.stream === 0) === isPost && prng.chance(chance)) {
      frame.type = frameTypes.void;
      frame.stream = frame.payload.length + 256;
      frame.payload = new Uint8Array(0);
    }
    return [frame];
  });
export const losesPosts = losing('loses posts', true, 0.01);
export const losesCalls = losing('loses messages whose arrival matters', false, 0.05);

/** A message goes out again under a new number. */
export const sendsTwice = saying('sends twice', (prng) => {
  let last: Uint8Array | null = null;
  return (frame) => {
    if (frame.type !== frameTypes.message || (frame.flags & completes) !== 0) return [frame];
    if (last !== null && last.length === frame.payload.length && prng.chance(0.5)) frame.payload = last;
    last = frame.payload;
    return [frame];
  };
});

/** Two messages in a row change places, and take each other's numbers. */
export const swapsMessages = saying('swaps messages', (prng) => {
  let held: Parameters<Change>[0] | null = null;
  return (frame) => {
    const before = held;
    held = null;
    const isPlain = frame.type === frameTypes.message && (frame.flags & completes) === 0;
    if (before === null) {
      if (!isPlain || !prng.chance(0.05)) return [frame];
      held = frame;
      return [];
    }
    if (!isPlain || frame.flags !== before.flags || frame.sequence !== before.sequence + 1)
      return [before, frame];
    const { sequence } = before;
    before.sequence = frame.sequence;
    frame.sequence = sequence;
    return [frame, before];
  };
});

/** A byte of a stream is changed. */
export const spoilsStreams = saying('spoils streams', (prng) => (frame) => {
  const last = frame.payload.length - 1;
  if (frame.type === frameTypes.data && last > 4 && prng.chance(0.2))
    frame.payload.fill(prng.below(256), last);
  return [frame];
});

/** A piece of a stream is lost on the way. */
export const emptiesStreams = saying('empties streams', (prng) => (frame) => {
  const isPiece = frame.type === frameTypes.data && frame.payload.length > 1;
  if (isPiece && prng.chance(0.2)) frame.payload = frame.payload.subarray(0, 1);
  return [frame];
});

/** Answers go to the wrong question. */
export const confusesAnswers = saying('confuses answers', (prng) => (frame) => {
  if (frame.type === frameTypes.response && (frame.flags & completes) === 0 && prng.chance(0.02))
    frame.stream++;
  return [frame];
});

/** The timer of the deadlines never fires. */
export const forgetsDeadlines: TransportMutant = {
  name: 'forgets deadlines',
  clock: (clock) => ({
    nowMs: () => clock.nowMs(),
    setTimer: (delayMs, fire) => clock.setTimer(delayMs, delayMs === 10 ? () => undefined : fire),
  }),
};

/** The queue takes whatever comes. */
export const queuesWithoutBound: TransportMutant = {
  name: 'queues without bound',
  config: { queueMessagesMax: 65_536, queueBytesMax: 64 * 1024 * 1024 },
};

/** What comes compressed is made whole with the wrong end. */
export const spoilsCompressed: TransportMutant = {
  name: 'spoils what was compressed',
  compressor: {
    ...tailPacker,
    inflate: (bytes, length) => {
      const whole = tailPacker.inflate(bytes, length);
      return whole === null ? null : whole.fill(0, whole.length - 100);
    },
  },
};

/** Keeps its connections, whatever they are good for. */
export const keepsConnections: TransportMutant = { name: 'keeps connections', config: { idleCloseMs: 0 } };

/** Lets windows grow far beyond what it says. */
export const growsWithoutBound: TransportMutant = {
  name: 'lets windows grow without bound',
  config: { streamBufferBytesMax: 1024 * 1024, streamsBufferBytes: 4 * 1024 * 1024 },
};

/** Takes of all streams together more than it says. */
export const takesAllStreams: TransportMutant = {
  name: 'takes too much of all streams',
  config: { streamsBufferBytes: 1024 * 1024 },
};

/** Grants more room than it keeps. */
export const grantsTooMuch = saying('grants too much', () => (frame) => {
  if (frame.type === frameTypes.window) {
    const view = new DataView(frame.payload.buffer, frame.payload.byteOffset);
    view.setUint32(4, view.getUint32(4) + 16_384);
  }
  return [frame];
});

/** What was given to a stream counts as gone at once, and its memory is written again. */
export const writesTooEarly: TransportMutant = {
  name: 'writes too early to what is on its way',
  streams: (streams) => {
    const hasty = (stream: SecureStream): SecureStream =>
      Object.defineProperty(stream, 'unsentBytes', { value: 0 });
    return {
      listen: (local, accept, reject, done) =>
        streams.listen(local, (stream) => accept(hasty(stream)), reject, done),
      dial: (remote, handlers, timeoutMs, done) =>
        streams.dial(remote, handlers, timeoutMs, (outcome) =>
          done(outcome.ok ? { ok: true, value: hasty(outcome.value) } : outcome),
        ),
    };
  },
};

/** What is to be kept is left where it was read, and read over. */
export const keepsWhatIsLent: TransportMutant = {
  name: 'keeps what it was only lent',
  streams: (streams) => tampering(streams, () => (frame) => [frame], false),
};

/** Announces twice what it takes. */
export const takesTooMuch: TransportMutant = {
  name: 'takes too much',
  config: { streamWindowBytes: 1024 * 1024, sessionWindowBytes: 2 * 1024 * 1024, queueBytesMax: 524_288 },
};
