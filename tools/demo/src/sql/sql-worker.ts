/** The thread that owns the database: a long statement never holds up the node's heartbeats. */
import { parentPort, workerData } from 'node:worker_threads';
import { describeError } from '@cluster/core';
import { type Batch, SqlEngine } from './engine.ts';
import type { Statement } from './statement.ts';

export type WorkerRequest =
  | { readonly id: number; readonly kind: 'restore' | 'close' }
  | { readonly id: number; readonly kind: 'apply'; readonly batch: Batch }
  | { readonly id: number; readonly kind: 'read'; readonly statement: Statement };

export type WorkerReply =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly error: string };

const port = parentPort;
if (port === null) throw new Error('sql-worker runs as a worker thread');
const engine = new SqlEngine((workerData as { path: string }).path);

const answer = (request: WorkerRequest): unknown => {
  switch (request.kind) {
    case 'restore':
      return engine.restore();
    case 'apply':
      return engine.apply(request.batch);
    case 'read':
      return engine.read(request.statement);
    case 'close':
      return engine.close();
  }
};

port.on('message', (request: WorkerRequest) => {
  let reply: WorkerReply;
  try {
    reply = { id: request.id, ok: true, value: answer(request) };
  } catch (error) {
    reply = { id: request.id, ok: false, error: describeError(error) };
  }
  port.postMessage(reply);
  if (request.kind === 'close') port.close();
});
