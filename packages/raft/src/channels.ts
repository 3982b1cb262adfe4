/** Several groups over one channel, told apart by the group in each message. */
import type { RaftChannel } from './ports.ts';
import { groupOf } from './wire.ts';

/**
 * @param onUnknown gets messages for groups nobody asked for, and bytes that are no message.
 * @returns the channel of each group; ask before the first message arrives.
 */
export function groupChannels(
  channel: RaftChannel,
  onUnknown: (from: string, bytes: Uint8Array) => void = () => undefined,
): (groupId: number) => RaftChannel {
  const receivers = new Map<number, (from: string, bytes: Uint8Array) => void>();
  channel.onMessage((from, bytes) => {
    const receive = receivers.get(groupOf(bytes) ?? -1);
    if (receive === undefined) onUnknown(from, bytes);
    else receive(from, bytes);
  });
  const losses = new Map<number, (peer: string) => void>();
  channel.onPeerLost?.((peer) => losses.forEach((lost) => lost(peer)));
  return (groupId) => ({
    send: (to, bytes) => channel.send(to, bytes),
    onMessage: (receive) => void receivers.set(groupId, receive),
    onPeerLost: (lost) => void losses.set(groupId, lost),
  });
}
