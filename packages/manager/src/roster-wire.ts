/** A change of the roster on its way to the leader, and the answer: JSON, a few times in the life of a cluster. */
import { ClusterError } from '@cluster/core';
import * as z from 'zod';
import { managerError } from './errors.ts';
import { failureSchema } from './messages.ts';

const bytesMax = 32_768;

const changeSchema = z.strictObject({
  nodeId: z.string().regex(/^[A-Za-z0-9._-]{1,128}$/),
  /** `staged`: gets the log, and a vote once it has nearly caught up. */
  becomes: z.enum(['staged', 'learner', 'removed']),
  /** The roster it is meant for; null: whichever it is. */
  epoch: z.number().int().min(0).nullable(),
});

const answerSchema = z.strictObject({ failure: failureSchema.nullable() });

export type RosterChange = z.output<typeof changeSchema>;

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

function decode<T>(schema: z.ZodType<T>, bytes: Uint8Array): T {
  try {
    if (bytes.length <= bytesMax) return schema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    // As for what is too long.
  }
  throw managerError(
    'MANAGER_MESSAGE_REFUSED',
    'What came is no change of the roster, nor an answer to one.',
  );
}

export const encodeRosterChange = (change: RosterChange): Uint8Array => encode(change);

/** @throws ClusterError `MANAGER_MESSAGE_REFUSED` */
export const decodeRosterChange = (bytes: Uint8Array): RosterChange => decode(changeSchema, bytes);

/** @param failure null: it is agreed on. */
export function encodeRosterAnswer(failure: ClusterError | null): Uint8Array {
  if (failure === null) return encode({ failure: null });
  const { code, fault, message, advice, retry, stateChanged } = failure;
  return encode({ failure: { code, fault, message, advice, retry, stateChanged } });
}

/** @throws ClusterError what the leader says against it, or `MANAGER_MESSAGE_REFUSED`. */
export function decodeRosterAnswer(bytes: Uint8Array): void {
  const { failure } = decode(answerSchema, bytes);
  if (failure !== null) throw new ClusterError(failure);
}
