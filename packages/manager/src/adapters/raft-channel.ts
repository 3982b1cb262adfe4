/**
 * The replicated log's messages over the transport: one way, in order, without completion. What the queue does not take is
 * dropped, as a network would; Raft sends again.
 */
import type { RaftChannel } from '@cluster/raft';
import type { Transport } from '@cluster/transport';
import { controlTypeIds } from '../messages.ts';

export function raftChannel(transport: Pick<Transport, 'handle' | 'post' | 'onPeer'>): RaftChannel {
  return {
    send: (to, bytes) => void transport.post(to, controlTypeIds.raft, bytes, { priority: 'High' }),
    onMessage: (receive) =>
      transport.handle(
        controlTypeIds.raft,
        // Raft keeps what it is given, and the transport only lends it.
        (bytes, { from }) => receive(from, new Uint8Array(bytes)),
        { roles: ['node'] },
      ),
    onPeerLost: (lost) =>
      void transport.onPeer(({ type, peer }) => {
        if (type === 'down') lost(peer);
      }),
  };
}
