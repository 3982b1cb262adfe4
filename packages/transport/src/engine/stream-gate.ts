/** Which streams of peers are taken: by type, by the role of who opens it and how often, and while there is room. */
import type { PeerLimits } from '../core/handshake.ts';
import type { Refusal } from '../core/refusal.ts';
import type { ByteStream, StreamHandlers } from './byte-stream.ts';
import type { Delivery } from './delivery.ts';
import { type HandlerOptions, Handlers } from './handlers.ts';
import type { PeerStreams } from './peer-streams.ts';

/** Called for each stream that a peer opens; what it returns hears what comes. */
export type StreamAcceptor = (stream: ByteStream) => StreamHandlers;

export class StreamGate {
  readonly #acceptors = new Map<number, StreamAcceptor>();
  /** Who may open streams of a type, and how often. */
  readonly #judges: Handlers;

  constructor(limits: ConstructorParameters<typeof Handlers>[0]) {
    this.#judges = new Handlers(limits);
  }

  set(typeId: number, accept: StreamAcceptor, options: HandlerOptions): void {
    this.#acceptors.set(typeId, accept);
    this.#judges.set(typeId, () => undefined, options);
  }

  has(typeId: number): boolean {
    return this.#acceptors.has(typeId);
  }

  judge(
    typeId: number,
    { role, node }: Pick<Delivery, 'role' | 'node'>,
    streams: PeerStreams,
    limits: Pick<PeerLimits, 'streamsMax' | 'streamsBufferBytes'>,
    nowMs: number,
  ): StreamAcceptor | Refusal {
    const access = this.#judges.access(role);
    const judged = this.#judges.find(typeId, { access, node }, nowMs);
    if (streams.isFull(limits)) {
      const reason = `no more than ${limits.streamsMax} are taken, those included that are over and hold something`;
      return { code: 'TRANSPORT_TOO_MANY_STREAMS', reason };
    }
    // Who is judged well has an acceptor.
    if (typeof judged === 'function') return this.#acceptors.get(typeId) as StreamAcceptor;
    return { code: judged.code, reason: `streams of type ${typeId}: ${judged.label.replaceAll('_', ' ')}` };
  }
}
