/**
 * The object that every contender carries, and the codec all of them use: msgpackr with a fixed shared structure and no
 * definitions in the stream, and a hand-written check of what came out, as the house has it on the hot path.
 */
import { Packr } from 'msgpackr';

export interface Message {
  /** What it is for: see `kinds`. */
  readonly t: number;
  readonly id: number;
  readonly k: string;
  readonly p: Uint8Array;
}

export const kinds = { post: 1, request: 2, reply: 3 } as const;

const packr = new Packr({
  structures: [['t', 'id', 'k', 'p']],
  maxSharedStructures: 1,
  mapsAsObjects: true,
});

export const encode = (message: Message): Uint8Array => packr.pack(message);

export function decode(bytes: Uint8Array): Message {
  const message = packr.unpack(bytes) as Partial<Message>;
  if (
    typeof message.t !== 'number' ||
    typeof message.id !== 'number' ||
    typeof message.k !== 'string' ||
    !(message.p instanceof Uint8Array)
  ) {
    throw new Error('not a message of this benchmark');
  }
  return message as Message;
}

/** Payloads are random, so that nothing can compress them; keys are few, as in an application. */
export const keys: readonly string[] = Array.from({ length: 64 }, (_, i) => `orders:${1000 + i}`);
