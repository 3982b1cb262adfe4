/**
 * The object that every contender carries, and the codec all of them use: the one that the transport ships, with its check of every
 * field on both sides and its scan of what comes from a peer.
 */
import { ObjectCodec } from '@cluster/transport/codec';
import * as z from 'zod';

const schema = z.strictObject({
  /** What it is for: see `kinds`. */
  t: z.int(),
  id: z.int(),
  k: z.string(),
  p: z.instanceof<typeof Uint8Array<ArrayBufferLike>>(Uint8Array),
});

export type Message = z.output<typeof schema>;

/** `bulk`: a request whose payload is not sent back. */
export const kinds = { post: 1, request: 2, reply: 3, bulk: 4 } as const;

const codec = new ObjectCodec({ name: 'bench', version: 1, kinds: { Message: schema } });

/**
 * @param copiedMax what is not larger is copied at once by what it is given to, and need not have memory of its own.
 */
export const encode = (message: Message, copiedMax = 0): Uint8Array =>
  message.p.length + overheadMax <= copiedMax
    ? codec.lend('Message', message)
    : codec.encode('Message', message);

/** More than all that is not the payload. */
const overheadMax = 128;

/** @throws ClusterError `TRANSPORT_CODEC_REFUSED` for anything else. */
export const decode = (bytes: Uint8Array): Message => codec.decode('Message', bytes);

/** Payloads are random, so that nothing can compress them; keys are few, as in an application. */
export const keys: readonly string[] = Array.from({ length: 64 }, (_, i) => `orders:${1000 + i}`);
