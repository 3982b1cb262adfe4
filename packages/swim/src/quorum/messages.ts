/** Bytes <-> the two messages of quorum. What a peer sent is checked here and only here. */
import * as z from 'zod';

/** Read by every schema below; twice the largest roster, so that a change under way fits. */
const namesMax = 256;
const bytesMax = 65_536;
const name = z.string().min(1).max(128);
const boot = z.string().min(1).max(64);
const count = z.int().min(0);
const lives = z.array(z.string().max(200)).max(namesMax).readonly();

const askSchema = z.strictObject({
  type: z.literal('ask'),
  seq: count,
  epoch: count,
  boot,
  /** Lives that the asker's side has been decided to go on without. */
  excluding: lives,
  /** Members that have answered the asker lately. */
  reach: z.array(name).max(namesMax).readonly(),
});

const answerSchema = z.strictObject({
  type: z.literal('answer'),
  seq: count,
  /** Of the asker, so that no answer reaches another life of it. */
  to: boot,
  boot,
  epoch: count,
  refusal: z.enum(['fenced', 'epoch', 'silent']).nullable(),
  /** Lives that have got nothing from the answerer for so long that nothing they got counts any more. */
  fencing: lives,
});

const schema = z.discriminatedUnion('type', [askSchema, answerSchema]);

export type Ask = z.output<typeof askSchema>;
export type Answer = z.output<typeof answerSchema>;
export type QuorumMessage = Ask | Answer;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

export const encodeQuorumMessage = (message: QuorumMessage): Uint8Array =>
  encoder.encode(JSON.stringify(message));

/** Null for what is no message: the peer's fault, to be counted. */
export function decodeQuorumMessage(bytes: Uint8Array): QuorumMessage | null {
  if (bytes.length > bytesMax) return null;
  try {
    const parsed = schema.safeParse(JSON.parse(decoder.decode(bytes)));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
