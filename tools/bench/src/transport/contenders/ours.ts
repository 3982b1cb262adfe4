/** `@cluster/transport` as shipped: mutual TLS, reliable, every default. */
import { startTransport, type StartOptions } from '@cluster/transport/node';
import type { Priority, Transport } from '@cluster/transport';
import { type Contender, type Place, serverId } from '../contender.ts';

/** 64 and up are free for applications. */
const types = { post: 64, request: 65 } as const;

const options = ({ role, nodeId, clusterName, tls }: Place): StartOptions => ({
  nodeId,
  clusterName,
  tls,
  // A client only dials.
  bind: role === 'node' ? { host: '127.0.0.1', port: 0 } : null,
});

/** How often a sender of small messages asks whether there is room. */
const readyEvery = 8;
const largeBytes = 4096;
const nothing = new Uint8Array(0);

export const ours: Contender = {
  copiedMax: Infinity,
  listen: async (place, receive) => {
    const transport: Transport = await startTransport(options(place), {
      directory: { lookup: () => undefined },
    });
    transport.handle(types.post, (bytes) => void receive(bytes), { lent: true });
    transport.handle(types.request, (bytes) => receive(bytes) ?? nothing, { lent: true });
    return { address: transport.local };
  },
  connect: async (place, server, onAnswer) => {
    const transport = await startTransport(options(place), {
      directory: { lookup: (nodeId) => (nodeId === serverId ? server : undefined) },
    });
    await transport.ping(serverId);
    let posts = 0;
    const ask = (bytes: Uint8Array, priority?: Priority): void =>
      void transport.request(serverId, types.request, bytes, { priority }).then(onAnswer);
    return {
      post: (bytes) => {
        // Some small messages more make no difference to it.
        const isDue = bytes.length >= largeBytes || ++posts % readyEvery === 0;
        if (isDue && !transport.isReady(serverId)) return false;
        return transport.post(serverId, types.post, bytes);
      },
      ready: () => transport.ready(serverId),
      ask,
      close: () => transport.close(),
    };
  },
};
