/** What the client asks of a node, and what the nodes agree on; JSON, for it is to be read in a debugger and not to be fast. */
import type { Value } from '../history/operation.ts';

export type Write =
  | { readonly op: 'put' | 'append'; readonly key: string; readonly value: string }
  | { readonly op: 'del'; readonly key: string }
  | { readonly op: 'cas'; readonly key: string; readonly expect: Value; readonly value: string }
  /** Counts one up, and answers with the count: shows a command that was applied twice, or not at all. */
  | { readonly op: 'count'; readonly key: string };

export interface Session {
  readonly clientId: number;
  readonly sequence: number;
}

/** How a read is made linearizable: by asking the leader, which asks a majority, or by the leader's lease where it has one. */
export type Consistency = 'linearizable' | 'lease';

export type Request =
  | { readonly type: 'write'; readonly write: Write; readonly session: Session | null }
  | { readonly type: 'read'; readonly key: string; readonly consistency: Consistency }
  | { readonly type: 'openSession' };

export type Answer =
  | { readonly ok: true; readonly result: WriteResult | ReadResult | { readonly clientId: number } }
  /** `retry` as the replica's error says it: `safe` = it was not applied and never will be, or repeating makes no difference. */
  | { readonly ok: false; readonly code: string; readonly retry: 'safe' | 'unsafe' | 'useless' };

export interface WriteResult {
  /** False: a `cas` found something else. */
  readonly done: boolean;
  /** What a `count` has come to. */
  readonly count?: number;
}

export interface ReadResult {
  readonly value: Value;
  /** What a counter of that name has come to. */
  readonly count: number;
}

/** The message type of all requests; the transport leaves 64 and up to its users. */
export const requestType = 64;
export const raftType = 1;

export const encode = (body: Request | Answer | Write | WriteResult): Uint8Array =>
  Buffer.from(JSON.stringify(body));

/** Both ends are ours, and the wire is authenticated: what arrives is what was sent. */
export const decode = <T extends Request | Answer | Write | WriteResult>(bytes: Uint8Array): T =>
  JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()) as T;
