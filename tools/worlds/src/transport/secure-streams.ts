/** Streams of the simulated network as the transport wants them: who is at the other end is known by its address, as if certified. */
import type { Duplex, DuplexPort } from '@cluster/core';
import type { SecureStream, SecureStreamPort } from '@cluster/transport';

/** @param nameAt the node that has this address. */
export function secureStreams(
  streams: DuplexPort,
  clusterName: string,
  nameAt: (host: string) => string | undefined,
): SecureStreamPort {
  const certify = (stream: Duplex): SecureStream => {
    const id = nameAt(stream.remote.host);
    const identity = id === undefined ? null : { clusterName, role: 'node' as const, id };
    return Object.assign(stream, { certified: { identity, refusal: null }, lendsReads: true });
  };
  return {
    listen: (local, accept, _reject, done) =>
      streams.listen(local, (stream) => accept(certify(stream)), done),
    dial: (remote, handlers, timeoutMs, done) =>
      streams.dial(remote, handlers, timeoutMs, (outcome) =>
        done(outcome.ok ? { ok: true, value: certify(outcome.value) } : outcome),
      ),
  };
}
