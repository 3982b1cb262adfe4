/**
 * One stream of js-libp2p's yamux over mutual TLS, carrying frames; its windows and read buffers are set to 16 MiB. Its muxer
 * expects a libp2p connection: `Connection` here is as much of one as it asks for.
 */
import { connect, createServer, type TLSSocket } from 'node:tls';
import { once } from 'node:events';
import { yamux as createFactory } from '@chainsafe/libp2p-yamux';
import type { Contender } from '../contender.ts';
import { type ByteStream, frameLink, serveFrames } from './framing.ts';
import { listening, tlsOptions } from './raw.ts';

const windowBytes = 16 * 1024 * 1024;

type Muxer = ReturnType<ReturnType<ReturnType<typeof createFactory>>['createStreamMuxer']>;
type YamuxStream = Awaited<ReturnType<Muxer['createStream']>>;
type Bytes = Uint8Array | { subarray(): Uint8Array };

// It is written for Node 22.
interface Resolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
}
(Promise as unknown as { withResolvers?: unknown }).withResolvers ??= <T>(): Resolvers<T> => {
  let settle: Omit<Resolvers<T>, 'promise'> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...(settle as Omit<Resolvers<T>, 'promise'>) };
};

interface Log {
  (): void;
  readonly trace: () => void;
  readonly error: () => void;
  readonly newScope: () => Log;
}
const quiet = (): void => undefined;
const silent: Log = Object.assign((): void => undefined, {
  trace: quiet,
  error: quiet,
  newScope: (): Log => silent,
});

class Connection extends EventTarget {
  readonly log = silent;
  readonly status = 'open';
  readonly direction: 'inbound' | 'outbound';
  readonly #socket: TLSSocket;

  constructor(socket: TLSSocket, direction: 'inbound' | 'outbound') {
    super();
    this.#socket = socket;
    this.direction = direction;
    socket.on('data', (data: Uint8Array) => {
      this.dispatchEvent(Object.assign(new Event('message'), { data }));
    });
    socket.on('drain', () => this.dispatchEvent(new Event('drain')));
    socket.on('error', quiet);
  }

  send(data: Bytes): boolean {
    return this.#socket.write(data.subarray());
  }

  abort(): void {
    this.#socket.destroy();
  }
}

function muxerOver(socket: TLSSocket, direction: 'inbound' | 'outbound'): Muxer {
  const streamOptions = {
    initialStreamWindowSize: windowBytes,
    maxStreamWindowSize: windowBytes,
    maxReadBufferLength: 2 * windowBytes,
  };
  const factory = createFactory({ enableKeepAlive: false, streamOptions })();
  return factory.createStreamMuxer(new Connection(socket, direction) as never);
}

function byteStream(stream: YamuxStream): ByteStream {
  const waiting: (() => void)[] = [];
  let full = false;
  stream.addEventListener('drain', () => {
    full = false;
    for (const written of waiting.splice(0)) written();
  });
  return {
    write: (bytes, written) => {
      full = !stream.send(bytes) || full;
      if (full) waiting.push(written);
      else written();
    },
    together: (writes) => writes(),
    onData: (receive) =>
      stream.addEventListener('message', (event) =>
        receive((event as unknown as { data: Bytes }).data.subarray()),
      ),
    close: () => stream.abort(new Error('closed')),
  };
}

export const yamux: Contender = {
  copiedMax: 0,
  listen: ({ tls }, receive) => {
    const options = { ...tlsOptions(tls), requestCert: true, rejectUnauthorized: true, noDelay: true };
    const server = createServer(options, (socket) => {
      muxerOver(socket, 'inbound').addEventListener('stream', (event) =>
        serveFrames(byteStream(event.detail), receive),
      );
    });
    return listening(server);
  },
  connect: async ({ tls }, { host, port }, onAnswer) => {
    const socket = connect({ ...tlsOptions(tls), host, port });
    socket.setNoDelay(true);
    await once(socket, 'secureConnect');
    const stream = await muxerOver(socket, 'outbound').createStream();
    const link = frameLink(byteStream(stream), onAnswer);
    return { ...link, close: async () => void socket.destroy() };
  },
};
