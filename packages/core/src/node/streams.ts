import { connect, createServer, type Socket } from 'node:net';
import { assert, type ClusterError } from '../errors.ts';
import { formatAddress, networkError } from '../port-errors.ts';
import type { Address, Done, Duplex, DuplexHandlers, DuplexListener, DuplexPort } from '../ports.ts';
import { plainHost, refusal } from './literal.ts';
import { fromNetworkFailure } from './system-error.ts';

/** TCP over IPv4 and IPv6. Either side may end its half first; Nagle's delay is off. Host names are the caller's to resolve. */
export function tcpStreams(): DuplexPort {
  return { listen, dial };
}

function listen(local: Address, accept: (stream: Duplex) => void, done: Done<DuplexListener>): void {
  const refused = refusal('listen on', local);
  if (refused) return done({ ok: false, error: refused });
  const refuse = (error: unknown): void =>
    done({ ok: false, error: fromNetworkFailure(error, `Cannot listen on ${formatAddress(local)}`) });
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const stream = new TcpStream(socket);
    accept(stream);
    assert(stream.handlers !== nobody, 'accept has set the handlers of a stream');
    stream.open();
  });
  server.once('error', refuse);
  try {
    server.listen(local.port, local.host, () => {
      server.off('error', refuse);
      // A failed accept (out of files) closes nothing: the listener goes on, and the peer tries again.
      server.on('error', () => undefined);
      const address = server.address();
      assert(address !== null && typeof address === 'object', 'a TCP server has an address');
      let closed = false;
      const close = (): void => {
        if (!closed) server.close();
        closed = true;
      };
      done({ ok: true, value: { local: { host: address.address, port: address.port }, close } });
    });
  } catch (error) {
    refuse(error);
  }
}

function dial(remote: Address, handlers: DuplexHandlers, timeoutMs: number, done: Done<Duplex>): void {
  const refused = refusal('connect to', remote);
  if (refused) return done({ ok: false, error: refused });
  let socket: Socket;
  try {
    socket = connect({ host: remote.host, port: remote.port, allowHalfOpen: true, noDelay: true });
  } catch (error) {
    return done({
      ok: false,
      error: fromNetworkFailure(error, `Cannot connect to ${formatAddress(remote)}`),
    });
  }
  const give = (error: ClusterError): void => {
    clearTimeout(timer);
    socket.off('error', failed);
    socket.on('error', () => undefined);
    socket.destroy();
    done({ ok: false, error });
  };
  const failed = (error: Error): void =>
    give(fromNetworkFailure(error, `Cannot connect to ${formatAddress(remote)}`));
  const timer = setTimeout(
    () =>
      give(networkError('NET_TIMEOUT', `Cannot connect to ${formatAddress(remote)} within ${timeoutMs} ms.`)),
    timeoutMs,
  );
  socket.once('error', failed);
  socket.once('connect', () => {
    clearTimeout(timer);
    socket.off('error', failed);
    const stream = new TcpStream(socket, remote);
    stream.handlers = handlers;
    stream.open();
    done({ ok: true, value: stream });
  });
}

const nobody: DuplexHandlers = { onData: () => undefined, onEnd: () => undefined, onClose: () => undefined };

class TcpStream implements Duplex {
  readonly remote: Address;
  handlers: DuplexHandlers = nobody;
  readonly #socket: Socket;
  #error: ClusterError | null = null;

  constructor(socket: Socket, remote?: Address) {
    this.#socket = socket;
    this.remote = remote ?? { host: plainHost(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 };
    socket.on('error', (error) => {
      this.#error ??= fromNetworkFailure(error, `The connection with ${formatAddress(this.remote)} failed`);
    });
  }

  /** Lets events flow to the handlers. */
  open(): void {
    this.#socket
      .on('data', (data: Buffer) =>
        this.handlers.onData(new Uint8Array(data.buffer, data.byteOffset, data.length)),
      )
      .on('end', () => this.handlers.onEnd())
      .on('drain', () => this.handlers.onDrain?.())
      .on('close', () => this.handlers.onClose(this.#error));
  }

  write(bytes: Uint8Array): boolean {
    return this.#socket.writable && this.#socket.write(bytes);
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
