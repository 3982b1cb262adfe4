/** One port for both: memberlist listens on UDP and TCP under the same number. */
import {
  type Address,
  ClusterError,
  type DatagramHandlers,
  type DatagramPort,
  type DatagramSocket,
  type Duplex,
  type DuplexListener,
  type DuplexPort,
  type Task,
  wait,
} from '@cluster/core';
import { portInUse } from '../errors.ts';

export interface Bound {
  readonly socket: DatagramSocket;
  readonly local: Address;
  close(): void;
}

// A free TCP port whose UDP twin is taken is rare; this many in a row are not chance.
const attemptsMax = 16;

/** @throws ClusterError `SWIM_PORT_IN_USE`, or what the port says. */
export function* bindBoth(
  address: Address,
  datagrams: DatagramPort,
  streams: DuplexPort,
  handlers: DatagramHandlers,
  accept: (stream: Duplex) => void,
): Task<Bound> {
  for (let attempt = 1; ; attempt++) {
    try {
      return yield* bindOnce(address, datagrams, streams, handlers, accept);
    } catch (error) {
      if (!ClusterError.is(error) || error.code !== 'NET_ADDRESS_IN_USE') throw error;
      if (address.port !== 0 || attempt === attemptsMax) throw portInUse(address, error);
    }
  }
}

function* bindOnce(
  address: Address,
  datagrams: DatagramPort,
  streams: DuplexPort,
  handlers: DatagramHandlers,
  accept: (stream: Duplex) => void,
): Task<Bound> {
  const listener = yield* wait<DuplexListener>((done) => streams.listen(address, accept, done));
  const local = { host: address.host, port: listener.local.port };
  try {
    const socket = yield* wait<DatagramSocket>((done) => datagrams.bind(local, handlers, done));
    const close = (): void => {
      listener.close();
      socket.close();
    };
    return { socket, local, close };
  } catch (error) {
    listener.close();
    throw error;
  }
}
