/** Bugs put between a member and its ports, so that production code stays as it is. The checker has to find each of them. */
import { decodeMetadata, encodeMetadata, isMetadata } from '@cluster/swim';
import type { MetadataMutant } from './metadata-world.ts';

// Of memberlist: a packet that holds one user message and nothing else.
const userMessage = 8;

/** Whoever collected tombstones sends what is newer, as if it had none: the deleted keys of the other side stay. */
export const collectionUntold: MetadataMutant = {
  name: 'collected deletions are not told',
  datagrams: (datagrams) => ({
    bind: (local, handlers, done) =>
      datagrams.bind(local, handlers, (outcome) => {
        if (!outcome.ok) return done(outcome);
        const { value: socket } = outcome;
        const send: typeof socket.send = (bytes, to) => socket.send(withoutCollection(bytes), to);
        done({ ok: true, value: { local: socket.local, send, close: () => socket.close() } });
      }),
  }),
};

function withoutCollection(packet: Uint8Array): Uint8Array {
  const payload = packet.subarray(1);
  if (packet[0] !== userMessage || !isMetadata(payload)) return packet;
  const message = decodeMetadata(payload);
  if (typeof message === 'string' || message.type !== 'deltas') return packet;
  const deltas = message.deltas.map((delta) => ({ ...delta, whole: false, collectedTo: 0 }));
  return Uint8Array.of(userMessage, ...encodeMetadata({ ...message, deltas }));
}
