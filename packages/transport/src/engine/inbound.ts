/** A message that came in, as its handler sees it. */
import type { Done } from '@cluster/core';
import type { Line, PeerRole } from '../core/identity.ts';
import type { Priority } from '../core/outgoing.ts';
import { flagBits } from '../wire/frame.ts';
import { readTrace, traceBytes } from '../wire/trace-context.ts';

/** A request of the peer that a handler works on. */
export interface InboundRequest {
  readonly stream: number;
  /** Still wanted: not answered, not cancelled, and its session not over. */
  live: boolean;
  onCancel: (() => void) | null;
}

/** Who sent a message, and what about it is not in its bytes. */
export interface EngineContext {
  /** The node's id; `client/<id>` for a client. Answers and posts to it go over its own connection. */
  readonly from: string;
  readonly role: PeerRole;
  readonly typeId: number;
  readonly priority: Priority;
  /** The connection it came on. */
  readonly line: Line;
  /** Null for a one-way message. */
  readonly request: InboundRequest | null;
  /** W3C trace context, if the sender has given one. */
  readonly traceparent: string | undefined;
}

type Answer = Parameters<Done<Uint8Array | undefined>>[0];

/** One object for a message that came in: what its handler is told, and, of a request, whether it is still wanted. */
export class Inbound implements EngineContext, InboundRequest {
  readonly from: string;
  readonly line: Line;
  readonly role: PeerRole;
  readonly typeId: number;
  readonly priority: Priority;
  readonly stream: number;
  live: boolean;
  /** What it was charged; given back when its handler has finished with it. */
  cost = 0;
  /** Its handler has not finished when it returned: it is in the workload. */
  isAtWork = false;
  onCancel: (() => void) | null = null;
  traceparent: string | undefined = undefined;
  readonly request: InboundRequest | null;
  readonly answer: Done<Uint8Array | undefined>;

  constructor(
    { node, line, role }: { readonly node: string; readonly line: Line; readonly role: PeerRole },
    typeId: number,
    priority: Priority,
    stream: number,
    wantsAnswer: boolean,
    answered: (inbound: Inbound, outcome: Answer) => void,
  ) {
    this.from = node;
    this.line = line;
    this.role = role;
    this.typeId = typeId;
    this.priority = priority;
    this.stream = stream;
    this.live = wantsAnswer;
    this.request = wantsAnswer ? this : null;
    this.answer = (outcome) => answered(this, outcome);
  }
}

/** What the handler gets; the trace context before it goes to what is said about it. */
export function bodyOf(payload: Uint8Array, flags: number, inbound: Inbound): Uint8Array {
  if ((flags & flagBits.traced) === 0) return payload;
  inbound.traceparent = readTrace(payload);
  return payload.subarray(traceBytes);
}
