/** What is done with messages that arrive: one handler a type, behind a check of the sender's role. */
import type { Done } from '@cluster/core';
import type { TransportConfig } from '../config.ts';
import type { PeerRole } from '../core/identity.ts';
import { type RateLimit, TokenBuckets } from '../core/rate-limit.ts';
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

/** Which message types a role may send: one bit each, looked up once a message. */
export class Access {
  readonly #bits = new Uint8Array(8192);

  allow(typeId: number): void {
    this.#bits[typeId >>> 3] = (this.#bits[typeId >>> 3] as number) | (1 << (typeId & 7));
  }

  allows(typeId: number): boolean {
    return ((this.#bits[typeId >>> 3] as number) & (1 << (typeId & 7))) !== 0;
  }
}

export interface HandlerOptions {
  /** Who may send it, by the role in the certificate. Default: nodes and clients. */
  readonly roles?: readonly PeerRole[] | undefined;
  /** How often each peer may send it. Default: no limit. */
  readonly limit?: RateLimit | undefined;
  /**
   * Its bytes are lent until it returns, whether or not it has finished then: after that others stand in their memory. So messages leave their
   * receiver no garbage, which is much of what they cost it. Default: no, what it keeps stays as it is.
   */
  readonly lent?: boolean | undefined;
  /** Large answers are compressed, where both sides have compression on. Default: no. */
  readonly compress?: boolean | undefined;
}

/** Why a message is not handled. */
export interface Unhandled {
  readonly code: string;
  readonly label: string;
}

const unknownType: Unhandled = { code: 'TRANSPORT_UNKNOWN_TYPE', label: 'unknown_type' };
const notAuthorized: Unhandled = { code: 'TRANSPORT_NOT_AUTHORIZED', label: 'not_authorized' };
const rateLimited: Unhandled = { code: 'TRANSPORT_RATE_LIMITED', label: 'rate_limited' };

export class Handlers {
  readonly #byType = new Map<number, EngineHandler>();
  readonly #limits = new Map<number, TokenBuckets>();
  readonly #bucketsMax: number;
  readonly #compressed = new Set<number>();
  readonly #lent = new Set<number>();
  readonly #access: Readonly<Record<PeerRole, Access>> = { node: new Access(), client: new Access() };

  /** Of those who may be known at once, and as many that have left as sessions are remembered. */
  constructor({ peersMax, pastSessionsMax }: Pick<TransportConfig, 'peersMax' | 'pastSessionsMax'>) {
    this.#bucketsMax = peersMax + pastSessionsMax;
  }

  set(
    typeId: number,
    handler: EngineHandler,
    { roles = ['node', 'client'], limit, compress = false, lent = false }: HandlerOptions,
  ): void {
    this.#byType.set(typeId, handler);
    if (lent) this.#lent.add(typeId);
    if (compress) this.#compressed.add(typeId);
    if (limit !== undefined) this.#limits.set(typeId, new TokenBuckets(limit, this.#bucketsMax));
    for (const role of roles) this.#access[role].allow(typeId);
  }

  has(typeId: number): boolean {
    return this.#byType.has(typeId);
  }

  /** Large answers to messages of this type are compressed. */
  compresses(typeId: number): boolean {
    return this.#compressed.has(typeId);
  }

  /** Messages of this type are their handler's only until it returns. */
  lends(typeId: number): boolean {
    return this.#lent.has(typeId);
  }

  /** Of a role, for as long as the connection lives: handlers that are added later are in it. */
  access(role: PeerRole): Access {
    return this.#access[role];
  }

  /** The handler, or why there is none for this sender now. */
  find(typeId: number, { access, node }: Sender, nowMs: number): EngineHandler | Unhandled {
    const handler = this.#byType.get(typeId);
    if (handler === undefined) return unknownType;
    if (!access.allows(typeId)) return notAuthorized;
    if (this.#limits.size === 0) return handler;
    const limit = this.#limits.get(typeId);
    if (limit === undefined) return handler;
    return limit.take(node, nowMs) ? handler : rateLimited;
  }
}

/** By what the messages of a peer are judged. */
export interface Sender {
  readonly access: Access;
  /** Both lines of a peer share its limits. */
  readonly node: string;
}
