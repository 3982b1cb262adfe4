/** What is done with messages that arrive: one handler a type, behind a check of the sender's role. */
import type { Done } from '@cluster/core';
import type { PeerRole } from '../core/identity.ts';
import type { Priority } from '../core/outgoing.ts';
import type { InboundRequest } from './delivery.ts';

/** Who sent a message, and what about it is not in its bytes. */
export interface EngineContext {
  /** The node's id; `client/<id>` for a client. Answers and posts to it go over its own connection. */
  readonly from: string;
  readonly role: PeerRole;
  readonly typeId: number;
  readonly priority: Priority;
  /** Null for a one-way message. */
  readonly request: InboundRequest | null;
}

/**
 * Called in the order of arrival, within a priority; not awaited. `bytes` is a view into what was read: copy what you keep
 * for long. For a request `answer` must be called once.
 */
export type EngineHandler = (
  bytes: Uint8Array,
  context: EngineContext,
  answer: Done<Uint8Array | undefined>,
) => void;

type Answer = Parameters<Done<Uint8Array | undefined>>[0];

/** One object for a message that came in: what its handler is told, and, of a request, whether it is still wanted. */
export class Inbound implements EngineContext, InboundRequest {
  readonly from: string;
  readonly role: PeerRole;
  readonly typeId: number;
  readonly priority: Priority;
  readonly stream: number;
  live: boolean;
  onCancel: (() => void) | null = null;
  readonly request: InboundRequest | null;
  readonly answer: Done<Uint8Array | undefined>;

  constructor(
    from: string,
    role: PeerRole,
    typeId: number,
    priority: Priority,
    stream: number,
    wantsAnswer: boolean,
    answered: (inbound: Inbound, outcome: Answer) => void,
  ) {
    this.from = from;
    this.role = role;
    this.typeId = typeId;
    this.priority = priority;
    this.stream = stream;
    this.live = wantsAnswer;
    this.request = wantsAnswer ? this : null;
    this.answer = (outcome) => answered(this, outcome);
  }
}

export interface Registration {
  readonly handler: EngineHandler;
  readonly roles: ReadonlySet<PeerRole>;
}

export class Handlers {
  readonly #byType = new Map<number, Registration>();

  set(typeId: number, handler: EngineHandler, roles: readonly PeerRole[]): void {
    this.#byType.set(typeId, { handler, roles: new Set(roles) });
  }

  has(typeId: number): boolean {
    return this.#byType.has(typeId);
  }

  /** The handler, or the code of what is wrong. */
  find(
    typeId: number,
    role: PeerRole,
  ): EngineHandler | 'TRANSPORT_UNKNOWN_TYPE' | 'TRANSPORT_NOT_AUTHORIZED' {
    const registration = this.#byType.get(typeId);
    if (registration === undefined) return 'TRANSPORT_UNKNOWN_TYPE';
    return registration.roles.has(role) ? registration.handler : 'TRANSPORT_NOT_AUTHORIZED';
  }
}
