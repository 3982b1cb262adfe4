/** Typed messages over the transport: who handles which kind, and what goes out. */
import { asClusterError, managerError } from './errors.ts';
import type { MessengerComponent, PeerContext } from './components.ts';
import type { MessageCodec } from './codec.ts';
import {
  type ClusterMessage,
  type ClusterMessageInput,
  clientKinds,
  type MessageKind,
  messageKinds,
  type MessageOf,
  messageTypeIds,
} from './messages.ts';
import type { ClusterError } from '@cluster/core';
import type { CallOptions, Priority } from './types.ts';

/** `from` is the sender's id as its certificate says. What it returns, if anything, is the answer to `sendMessage`. */
export type MessageHandler<K extends MessageKind> = (
  message: MessageOf<K>,
  from: string,
  context: PeerContext,
) => Promise<ClusterMessageInput | void> | ClusterMessageInput | void;

export interface SendMessageOptions extends CallOptions {
  /** Default `Normal`. */
  readonly priority?: Priority;
  /** `handled`: resolves when the remote handler has completed (default). `received`: on arrival, which promises no more. */
  readonly ack?: 'handled' | 'received';
  /** Rejects as soon as the connection is lost, instead of waiting for it to come back. Default false. */
  readonly failFast?: boolean;
}

export interface BroadcastOutcome {
  readonly delivered: readonly string[];
  readonly failed: readonly { readonly nodeId: string; readonly error: ClusterError }[];
}

type AnyHandler = MessageHandler<MessageKind>;

export class Dispatcher {
  readonly #codec: MessageCodec;
  readonly #onRefused: () => void;
  readonly #handlers = new Map<MessageKind, AnyHandler>();
  readonly #builtIn = new Map<MessageKind, AnyHandler>();
  #messenger: MessengerComponent | null = null;

  /** @param onRefused bytes from a peer were no message. */
  constructor(codec: MessageCodec, onRefused: () => void) {
    this.#codec = codec;
    this.#onRefused = onRefused;
  }

  /** What handles a kind while the application has not registered a handler of its own. */
  setBuiltIn<K extends MessageKind>(kind: K, handler: MessageHandler<K>): void {
    this.#builtIn.set(kind, handler as unknown as AnyHandler);
  }

  /** Replaces the kind's handler; returns a function that takes it away again. */
  on<K extends MessageKind>(kind: K, handler: MessageHandler<K>): () => void {
    const any = handler as unknown as AnyHandler;
    this.#handlers.set(kind, any);
    return () => {
      if (this.#handlers.get(kind) === any) this.#handlers.delete(kind);
    };
  }

  /** Registers every kind; a client's certificate opens only those for clients. */
  bind(messenger: MessengerComponent): void {
    this.#messenger = messenger;
    for (const kind of messageKinds) {
      const roles = clientKinds.includes(kind) ? (['node', 'client'] as const) : (['node'] as const);
      messenger.handle(messageTypeIds[kind], roles, (bytes, context) => this.#receive(kind, bytes, context));
    }
  }

  /** Resolves to what the remote handler returned, if anything. */
  async send(
    to: string,
    message: ClusterMessageInput,
    options: SendMessageOptions = {},
  ): Promise<ClusterMessage | undefined> {
    const messenger = this.#messenger;
    if (messenger === null) throw managerError('MANAGER_NOT_RUNNING', 'There is no transport.');
    const bytes = this.#codec.encode(message);
    const { ack = 'handled', failFast = false, priority, signal, timeoutMs } = options;
    const typeId = messageTypeIds[message.kind];
    if (ack === 'received') {
      await messenger.deliver(to, typeId, bytes, { priority, signal, timeoutMs });
      return undefined;
    }
    return this.decodeAnswer(
      await messenger.request(to, typeId, bytes, { failFast, priority, signal, timeoutMs }),
    );
  }

  async broadcast(
    nodes: readonly string[],
    message: ClusterMessageInput,
    options: SendMessageOptions,
  ): Promise<BroadcastOutcome> {
    const delivered: string[] = [];
    const failed: { nodeId: string; error: ClusterError }[] = [];
    await Promise.all(
      nodes.map((nodeId) =>
        this.send(nodeId, message, options).then(
          () => void delivered.push(nodeId),
          (error: unknown) => void failed.push({ nodeId, error: asClusterError(error) }),
        ),
      ),
    );
    return { delivered, failed };
  }

  /** An answer is a number that says its kind, then the message; nothing = the handler returned nothing. */
  encodeAnswer(message: ClusterMessageInput): Uint8Array {
    const body = this.#codec.encode(message);
    const answer = new Uint8Array(body.length + 1);
    answer[0] = messageTypeIds[message.kind];
    answer.set(body, 1);
    return answer;
  }

  decodeAnswer(bytes: Uint8Array): ClusterMessage | undefined {
    if (bytes.length === 0) return undefined;
    const kind = messageKinds.find((kind) => messageTypeIds[kind] === bytes[0]);
    if (kind === undefined) throw managerError('MANAGER_MESSAGE_REFUSED', 'An answer is of no known kind.');
    return this.#codec.decode(kind, bytes.subarray(1));
  }

  async #receive(
    kind: MessageKind,
    bytes: Uint8Array,
    context: PeerContext,
  ): Promise<Uint8Array | undefined> {
    let message: ClusterMessage;
    try {
      message = this.#codec.decode(kind, bytes);
    } catch (error) {
      this.#onRefused();
      throw error;
    }
    const handler = this.#handlers.get(kind) ?? this.#builtIn.get(kind);
    if (handler === undefined)
      throw managerError('MANAGER_NO_HANDLER', `This node has no handler for ${kind}.`);
    const answer = await handler(message, context.from, context);
    return answer === undefined ? undefined : this.encodeAnswer(answer);
  }
}
