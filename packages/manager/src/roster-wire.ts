/** A change of the roster on its way to the leader, and the answer: JSON, a few times in the life of a cluster. */
import { ClusterError } from '@cluster/core';
import * as z from 'zod';
import { managerError } from './errors.ts';
import type { MessengerComponent, RosterCall, RosterChange } from './components.ts';
import { controlTypeIds, failureSchema } from './messages.ts';

const bytesMax = 32_768;

/** Which log's members: that of the data, or the coordinator's, whose voters are the roster. */
const logSchema = z.enum(['data', 'coordinator']);

const changeSchema = z.strictObject({
  nodeId: z.string().regex(/^[A-Za-z0-9._-]{1,128}$/),
  /** `staged`: gets the log, and a vote once it has nearly caught up. */
  becomes: z.enum(['staged', 'learner', 'removed']),
  /** The roster it is meant for; null: whichever it is. */
  epoch: z.number().int().min(0).nullable(),
}) satisfies z.ZodType<RosterChange>;

const requestSchema = z.strictObject({ log: logSchema, change: changeSchema });

const answerSchema = z.strictObject({ failure: failureSchema.nullable() });

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

export type RosterRequest = z.output<typeof requestSchema>;

export const encodeRosterRequest = (request: RosterRequest): Uint8Array => encode(request);

/** @throws ClusterError `MANAGER_MESSAGE_REFUSED` */
export const decodeRosterRequest = (bytes: Uint8Array): RosterRequest => decode(requestSchema, bytes);

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

/** Hands changes of a log's members to a node; rejects with what that says against it. */
export const forwardRosterChange =
  (messenger: Pick<MessengerComponent, 'request'>, log: RosterRequest['log']) =>
  async (to: string, change: RosterChange, call: RosterCall): Promise<void> => {
    const bytes = encodeRosterRequest({ log, change });
    decodeRosterAnswer(
      await messenger.request(to, controlTypeIds.roster, bytes, { ...call, failFast: true }),
    );
  };
