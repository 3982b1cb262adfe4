/** What is done with messages that arrive: one handler a type, behind a check of the sender's role. */
import type { Done } from '@cluster/core';
import type { PeerRole } from '../core/identity.ts';
import type { EngineContext } from './inbound.ts';

/**
 * Called in the order of arrival, within a priority; not awaited. `bytes` is a view into what was read: copy what you keep
 * for long. `answer` must be called once, also for a one-way message: it says that the handler has
 * finished with it, and lets the peer send more.
 */
export type EngineHandler = (
  bytes: Uint8Array,
  context: EngineContext,
  answer: Done<Uint8Array | undefined>,
) => void;

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
