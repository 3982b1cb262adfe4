import type { Transport } from '@cluster/transport';
import type { MessengerComponent, SendOptions } from '../components.ts';
import { managerError } from '../errors.ts';
import type { MetricsRegistry } from '@cluster/core';

/** @param scope label of the transport's series in the registry. */
export function messengerComponent(
  transport: Transport,
  registry: MetricsRegistry,
  scope: Readonly<Record<string, string>>,
): MessengerComponent {
  const connected = new Set(
    transport
      .peers()
      .filter(({ session }) => session === 'up')
      .map(({ peer }) => peer),
  );
  const onLost = new Map<string, Set<() => void>>();
  transport.onPeer(({ type, peer }) => {
    if (type === 'up') connected.add(peer);
    else connected.delete(peer);
    if (type === 'down') for (const lost of onLost.get(peer) ?? []) lost();
  });

  const requestOrLose = async (
    to: string,
    typeId: number,
    bytes: Uint8Array,
    options: SendOptions,
  ): Promise<Uint8Array> => {
    const controller = new AbortController();
    const lost = (): void => controller.abort();
    let waiting = onLost.get(to);
    if (waiting === undefined) onLost.set(to, (waiting = new Set()));
    waiting.add(lost);
    const { signal } = options;
    try {
      return await transport.request(to, typeId, bytes, {
        ...options,
        signal: signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]),
      });
    } catch (error) {
      if (!controller.signal.aborted || signal?.aborted === true) throw error;
      throw managerError('MANAGER_PEER_LOST', `The connection to ${to} was lost before its answer came.`, {
        cause: error,
      });
    } finally {
      waiting.delete(lost);
      if (waiting.size === 0) onLost.delete(to);
    }
  };

  return {
    address: transport.local,
    handle: (typeId, roles, handler) => transport.handle(typeId, handler, { roles }),
    request: (to, typeId, bytes, { failFast = false, ...options }) =>
      failFast ? requestOrLose(to, typeId, bytes, options) : transport.request(to, typeId, bytes, options),
    deliver: (to, typeId, bytes, { priority, signal, timeoutMs }) =>
      transport.send(to, typeId, bytes, { ack: 'received', priority, signal, timeoutMs }),
    ping: (to, { signal, timeoutMs }) => transport.ping(to, { signal, timeoutMs }),
    isConnected: (peer) => connected.has(peer),
    onPeer: (listener) =>
      void transport.onPeer(({ type, peer, reason }) => listener({ up: type === 'up', peer, reason })),
    close: () => transport.close(),
    metrics: () => {
      const value = (name: string): number => registry.value(name, scope);
      return {
        messages_sent: value('messages_sent'),
        messages_received: value('messages_received'),
        bytes_sent: value('bytes_sent'),
        bytes_received: value('bytes_received'),
        messages_dropped: value('messages_dropped'),
        messages_resent: value('resends'),
        reconnects: value('reconnects'),
        handler_errors: value('handler_errors'),
        peers_connected: connected.size,
        queue_depth: value('queue_depth'),
        request_duration_ms: value('request_duration_ms'),
      };
    },
  };
}
