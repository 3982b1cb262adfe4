/**
 * What nodes say to one another above the transport: nine kinds, each a schema, each with a transport type of its own so that a
 * role may be refused by type before a byte of it is decoded.
 */
import * as z from 'zod';

const nodeId = z.string().regex(/^[A-Za-z0-9._-]{1,128}$/);
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'expected bytes');
const index = z.number().int().min(0);
/** Transaction and message ids. */
const identifier = z.string().min(1).max(128);

export const sqlValue = z.union([z.null(), z.number(), z.bigint(), z.string(), z.boolean(), bytes]);
const statement = z.string().min(1).max(1_000_000);
const parameters = z.array(sqlValue).max(32_766);

export const sessionSchema = z.strictObject({
  clientId: z.number().int().min(1),
  sequence: z.number().int().min(1),
});

export const loadSchema = z.strictObject({
  queueDepth: z.number().min(0),
  inFlight: z.number().min(0),
  utilization: z.number().min(0).max(1),
});

export const failureSchema = z.strictObject({
  code: z.string().min(1).max(128),
  fault: z.enum(['peer', 'caller', 'environment', 'bug']),
  message: z.string().max(10_000),
  advice: z.string().max(10_000),
  retry: z.enum(['safe', 'unsafe', 'useless']),
  stateChanged: z.boolean(),
});

export const consistencySchema = z.enum(['stale', 'linearizable']);

export const querySchema = z.strictObject({
  kind: z.literal('Query'),
  sql: statement,
  params: parameters.default([]),
  /** How fresh a read must be; a write is always linearizable. */
  consistency: consistencySchema.default('stale'),
  /** A stale read waits until the replica has applied this much of the log; 0 = takes it as it is. */
  minIndex: index.default(0),
  /** Exactly-once mark of a write. */
  session: sessionSchema.nullable().default(null),
  /** Whom the sender asks for; believed only of nodes. Null = the sender itself. */
  actor: z.string().min(1).max(160).nullable().default(null),
  /** Data it touches, for locality; null = unknown. */
  key: z.string().max(1024).nullable().default(null),
  /** True: execute here. False: the receiver is a gateway and may route it on. */
  routed: z.boolean().default(false),
  /** Milliseconds the sender still waits. */
  timeoutMs: z.number().int().min(1).max(3_600_000).default(10_000),
});

export const queryResultSchema = z.strictObject({
  kind: z.literal('QueryResult'),
  columns: z.array(z.string()).default([]),
  rows: z.array(z.array(sqlValue)).default([]),
  rowsAffected: z.number().int().min(0).default(0),
  lastInsertRowid: z.union([z.number(), z.bigint()]).nullable().default(null),
  nodeId,
  index: index.nullable().default(null),
  /** Set instead of rows when the statement failed. */
  failure: failureSchema.nullable().default(null),
  load: loadSchema.nullable().default(null),
});

export const replicationLogSchema = z.strictObject({
  kind: z.literal('ReplicationLog'),
  /** Which replicated log. */
  group: index.default(0),
  term: index,
  fromIndex: index,
  entries: z.array(bytes).max(65_536),
});

export const heartBeatSchema = z.strictObject({
  kind: z.literal('HeartBeat'),
  nodeId,
  term: index,
  commitIndex: index,
  load: loadSchema.nullable().default(null),
});

export const metadataSyncSchema = z.strictObject({
  kind: z.literal('MetadataSync'),
  nodeId,
  version: index,
  entries: z.record(z.string().max(256), z.string().max(65_536)),
});

export const transactionPrepareSchema = z.strictObject({
  kind: z.literal('TransactionPrepare'),
  transactionId: identifier,
  coordinator: nodeId,
  statements: z.array(z.strictObject({ sql: statement, params: parameters })).max(1024),
  timeoutMs: z.number().int().min(1),
});

export const transactionCommitSchema = z.strictObject({
  kind: z.literal('TransactionCommit'),
  transactionId: identifier,
});

export const transactionAbortSchema = z.strictObject({
  kind: z.literal('TransactionAbort'),
  transactionId: identifier,
  reason: z.string().max(1024).default(''),
});

export const customSchema = z.strictObject({
  kind: z.literal('Custom'),
  /** The application's own name for it. */
  topic: z.string().min(1).max(256),
  body: bytes.default(new Uint8Array(0)),
});

export const clusterMessageSchema = z.discriminatedUnion('kind', [
  querySchema,
  queryResultSchema,
  replicationLogSchema,
  heartBeatSchema,
  metadataSyncSchema,
  transactionPrepareSchema,
  transactionCommitSchema,
  transactionAbortSchema,
  customSchema,
]);

/** A message as received: checked, every default filled in. */
export type ClusterMessage = z.output<typeof clusterMessageSchema>;
/** A message as one writes it: fields with a default may be left out. */
export type ClusterMessageInput = z.input<typeof clusterMessageSchema>;
export type MessageKind = ClusterMessage['kind'];
export type MessageOf<K extends MessageKind> = Extract<ClusterMessage, { kind: K }>;

export const messageSchemas = {
  Query: querySchema,
  QueryResult: queryResultSchema,
  ReplicationLog: replicationLogSchema,
  HeartBeat: heartBeatSchema,
  MetadataSync: metadataSyncSchema,
  TransactionPrepare: transactionPrepareSchema,
  TransactionCommit: transactionCommitSchema,
  TransactionAbort: transactionAbortSchema,
  Custom: customSchema,
} as const satisfies Record<MessageKind, z.ZodType>;

/** Transport type ids: 16–63 belong to the manager. */
export const messageTypeIds = {
  Query: 16,
  QueryResult: 17,
  ReplicationLog: 18,
  HeartBeat: 19,
  MetadataSync: 20,
  TransactionPrepare: 21,
  TransactionCommit: 22,
  TransactionAbort: 23,
  Custom: 24,
} as const satisfies Record<MessageKind, number>;

/** Transport type ids of what is no ClusterMessage. */
export const controlTypeIds = { raft: 1, openSession: 32, roster: 33 } as const;

/** Kinds a client (a process outside the cluster) may send; all others are for nodes. */
export const clientKinds: readonly MessageKind[] = ['Query'];

export const messageKinds = Object.keys(messageSchemas) as readonly MessageKind[];
