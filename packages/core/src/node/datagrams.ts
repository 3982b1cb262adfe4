import { createSocket, type Socket } from 'node:dgram';
import { isIP } from 'node:net';
import { formatAddress, networkError } from '../port-errors.ts';
import type { Address, DatagramHandlers, DatagramPort, DatagramSocket, Done } from '../ports.ts';
import { mappedPrefix, plainHost, refusal } from './literal.ts';
import { fromNetworkFailure } from './system-error.ts';

/**
 * UDP over IPv4 and IPv6. A socket bound to `::` serves both families: IPv4 peers appear with their plain IPv4 address.
 * Host names are not resolved here, for a datagram must not wait for a name server.
 */
export function udpDatagrams(): DatagramPort {
  return { bind: bindUdp };
}

function bindUdp(local: Address, handlers: DatagramHandlers, done: Done<DatagramSocket>): void {
  const refused = refusal('bind UDP to', local);
  if (refused) return done({ ok: false, error: refused });
  const family = isIP(local.host);
  const socket = createSocket({
    type: family === 4 ? 'udp4' : 'udp6',
    // Addresses are literal (checked in send); the default would cross a thread for each datagram.
    lookup: (host, _family, callback) => callback(null, host, family),
  });
  const refuse = (error: Error): void => {
    socket.close();
    done({ ok: false, error: fromNetworkFailure(error, `Cannot bind UDP to ${formatAddress(local)}`) });
  };
  socket.once('error', refuse);
  socket.on('message', (message, { address, port }) => {
    handlers.onMessage(new Uint8Array(message.buffer, message.byteOffset, message.length), {
      host: plainHost(address),
      port,
    });
  });
  const bound = (): void => {
    socket.off('error', refuse);
    socket.on('error', (error) => handlers.onError(fromNetworkFailure(error, 'UDP socket failed')));
    done({ ok: true, value: new UdpSocket(socket, family, handlers) });
  };
  try {
    socket.bind(local.port, local.host, bound);
  } catch (error) {
    refuse(error as Error);
  }
}

class UdpSocket implements DatagramSocket {
  readonly local: Address;
  readonly #socket: Socket;
  readonly #family: number;
  readonly #handlers: DatagramHandlers;
  #closed = false;

  constructor(socket: Socket, family: number, handlers: DatagramHandlers) {
    const { address, port } = socket.address();
    this.local = { host: address, port };
    this.#socket = socket;
    this.#family = family;
    this.#handlers = handlers;
  }

  send(bytes: Uint8Array, to: Address): void {
    if (this.#closed) return;
    const host = this.#literal(to);
    if (host === null) return;
    try {
      this.#socket.send(bytes, to.port, host, (error) => {
        if (error && !this.#closed) this.#failed(error, to);
      });
    } catch (error) {
      this.#failed(error, to);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }

  /** The host in the socket's family; null (reported) when there is none. */
  #literal(to: Address): string | null {
    const family = isIP(to.host);
    if (family === this.#family) return to.host;
    if (family === 4) return mappedPrefix + to.host;
    const error =
      refusal('send to', to) ??
      networkError('NET_FAMILY_MISMATCH', `Cannot send to ${formatAddress(to)}: the socket is IPv4.`);
    this.#handlers.onError(error);
    return null;
  }

  #failed(error: unknown, to: Address): void {
    this.#handlers.onError(fromNetworkFailure(error, `Cannot send a datagram to ${formatAddress(to)}`));
  }
}
