import type { RejectReason } from '../core/messages.ts';

/** Thrown while bytes are read, caught at the face of the wire, never seen beyond it. */
export class WireError extends Error {
  readonly reason: RejectReason;

  constructor(reason: RejectReason) {
    // Without a stack, which nobody sees and which would cost more than all else that a hostile packet does.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(reason);
    Error.stackTraceLimit = stackTraceLimit;
    this.reason = reason;
  }
}

/** The reason of a rejection; anything else is a bug and goes on. */
export function reasonOf(error: unknown): RejectReason {
  if (error instanceof WireError) return error.reason;
  throw error;
}
