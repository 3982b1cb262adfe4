/**
 * Secure streams over node:tls: TLS 1.3 only, a certificate from both sides, nothing resumed.
 *
 * Node finishes a TLS 1.3 handshake before it judges the peer's chain, with `rejectUnauthorized` as without: the option only
 * makes it close the socket without a word. Here the verdict is taken from the same place (`authorized`, set by Node from
 * OpenSSL's verification), but the stream is handed on with "no identity, because ...", so that the engine can tell the peer why
 * before it closes. An identity exists only where `authorized` is true; without one the engine exchanges nothing but a refusal.
 */
import { constants, type X509Certificate } from 'node:crypto';
import { isIP, type Socket } from 'node:net';
import { connect, createServer, type SecureContextOptions, type Server, type TLSSocket } from 'node:tls';
import {
  type Address,
  ClusterError,
  describeError,
  type Done,
  type DuplexHandlers,
  type DuplexListener,
} from '@cluster/core';
import { identityOf, isRefusal } from '../core/identity.ts';
import type { Certified } from '../core/protocol.ts';
import type { Refusal } from '../core/refusal.ts';
import type { SecureStream, SecureStreamPort } from '../ports.ts';
import { lendReads } from './lent-reads.ts';
import { isCertified, readAuthorities, sansOf, type TlsCredentials } from './credentials.ts';

export interface TlsStreamOptions {
  readonly handshakeTimeoutMs: number;
  /** Accepted sockets whose TLS handshake is not finished. */
  readonly handshakesMax: number;
}

/** Above this nothing more is written until all has left. With what is written at once it stays below what may wait in a socket. */
const enoughBytes = 114_688;
/** A connection that has read so often gets memory to read into: one that is idle needs none. */
const lendAfterReads = 64;

export class TlsStreams implements SecureStreamPort {
  #context: SecureContextOptions;
  readonly #servers = new Set<Server>();
  readonly #open = new Set<TlsStream>();
  readonly #options: TlsStreamOptions;

  constructor(credentials: TlsCredentials, options: TlsStreamOptions) {
    this.#options = options;
    this.#context = contextOf(credentials);
  }

  /** For all streams from now on; those of peers that the new authorities have not certified are cut. */
  rotate(credentials: TlsCredentials): void {
    this.#context = contextOf(credentials);
    for (const server of this.#servers) server.setSecureContext(this.#context);
    const authorities = readAuthorities(credentials);
    for (const stream of this.#open) stream.judge(authorities);
  }

  #opened(socket: TLSSocket, handlers: DuplexHandlers): TlsStream {
    // Asked once: on a dialled socket Node gives it away only the first time.
    const certificate = socket.getPeerX509Certificate();
    const stream = new TlsStream(socket, certificate, certify(socket, certificate), handlers);
    this.#open.add(stream);
    socket.once('close', () => this.#open.delete(stream));
    return stream;
  }

  listen(
    local: Address,
    accept: (stream: SecureStream) => void,
    reject: (refusal: Refusal) => void,
    done: Done<DuplexListener>,
  ): void {
    const { handshakeTimeoutMs, handshakesMax } = this.#options;
    const server: Server = createServer({
      ...this.#context,
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: handshakeTimeoutMs,
      noDelay: true,
    });
    // By remote address: the TLS socket does not name the TCP socket under it.
    const pending = new Map<string, Socket>();
    server.on('connection', (socket: Socket) => {
      if (pending.size >= handshakesMax) {
        socket.destroy();
        reject({
          code: 'TRANSPORT_TOO_MANY_CONNECTIONS',
          reason: `${handshakesMax} handshakes are under way`,
        });
        return;
      }
      const key = remoteOf(socket);
      pending.set(key, socket);
      socket.once('close', () => pending.delete(key));
      // Its TLS socket reports the error.
      socket.on('error', () => undefined);
    });
    server.on('secureConnection', (socket: TLSSocket) => {
      pending.delete(remoteOf(socket));
      accept(this.#opened(socket, noHandlers));
    });
    server.on('tlsClientError', (error: Error, socket: TLSSocket) => {
      socket.destroy();
      reject({ code: tlsCode(error), reason: `the TLS handshake failed: ${describeError(error)}` });
    });
    const failed = (error: NodeJS.ErrnoException): void =>
      done({ ok: false, error: listenError(local, error) });
    server.once('error', failed);
    this.#servers.add(server);
    server.once('close', () => this.#servers.delete(server));
    server.listen({ host: local.host, port: local.port }, () => {
      server.off('error', failed);
      // An accept that fails (out of descriptors) is that connection's loss, not the server's.
      server.on('error', (error) => reject({ code: 'TRANSPORT_TLS_FAILED', reason: describeError(error) }));
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : local.port;
      const close = (): void => {
        server.close();
        for (const socket of pending.values()) socket.destroy();
      };
      done({ ok: true, value: { local: { host: local.host, port }, close } });
    });
  }

  dial(remote: Address, handlers: DuplexHandlers, timeoutMs: number, done: Done<SecureStream>): void {
    const socket = connect({
      ...this.#context,
      host: remote.host,
      port: remote.port,
      // A name for servers that choose by it; an address may not be one (RFC 6066).
      ...(isIP(remote.host) === 0 ? { servername: remote.host } : {}),
      rejectUnauthorized: false,
      // Who the peer must be is in its SAN URI, not in its host name: the engine compares that on both sides.
      checkServerIdentity: () => undefined,
    });
    socket.setNoDelay(true);
    let finished = false;
    const finish = (run: () => void): void => {
      if (finished) return;
      finished = true;
      clearTimeout(timer);
      socket.off('error', failed);
      socket.off('close', closed);
      run();
    };
    const fail = (code: string, reason: string, cause?: unknown): void =>
      finish(() => {
        socket.on('error', () => undefined);
        socket.destroy();
        done({ ok: false, error: dialError(code, `${remote.host}:${remote.port} ${reason}.`, cause) });
      });
    const failed = (error: NodeJS.ErrnoException): void => {
      const code = error.code?.startsWith('ERR_SSL') === true ? tlsCode(error) : 'TRANSPORT_CONNECT_FAILED';
      fail(code, `cannot be reached (${describeError(error)})`, error);
    };
    const closed = (): void =>
      fail('TRANSPORT_CONNECT_FAILED', 'closed the connection during the TLS handshake');
    const timer = setTimeout(
      () => fail('TRANSPORT_CONNECT_FAILED', `did not answer within ${timeoutMs} ms`),
      timeoutMs,
    );
    socket.once('error', failed);
    socket.once('close', closed);
    socket.once('secureConnect', () =>
      finish(() => done({ ok: true, value: this.#opened(socket, handlers) })),
    );
  }
}

const contextOf = ({ ca, cert, key }: TlsCredentials): SecureContextOptions => ({
  ca: [ca].flat(),
  cert,
  key,
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
  // A resumed session would skip the certificates.
  secureOptions: constants.SSL_OP_NO_TICKET,
});

const remoteOf = (socket: Socket): string => `${socket.remoteAddress ?? ''} ${socket.remotePort ?? 0}`;

const noHandlers: DuplexHandlers = {
  onData: () => undefined,
  onEnd: () => undefined,
  onClose: () => undefined,
};

class TlsStream implements SecureStream {
  readonly certified: Certified;
  readonly remote: Address;
  handlers: DuplexHandlers;
  onRevoked: ((refusal: Refusal) => void) | undefined;
  readonly #socket: TLSSocket;
  readonly #certificate: X509Certificate | undefined;
  #reads = 0;
  #lendsReads = false;

  constructor(
    socket: TLSSocket,
    certificate: X509Certificate | undefined,
    certified: Certified,
    handlers: DuplexHandlers,
  ) {
    this.#socket = socket;
    this.#certificate = certificate;
    this.certified = certified;
    this.handlers = handlers;
    this.remote = { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
    let failure: ClusterError | null = null;
    socket.on('data', (chunk: Uint8Array) => {
      // A plain view: Buffer's own methods differ in what they copy.
      this.handlers.onData(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length));
      if (++this.#reads === lendAfterReads)
        this.#lendsReads = lendReads(socket, (bytes) => this.handlers.onData(bytes));
    });
    socket.on('end', () => this.handlers.onEnd());
    socket.on('drain', () => this.handlers.onDrain?.());
    socket.on('error', (error) => {
      failure ??= dialError('TRANSPORT_CONNECTION_LOST', `${describeError(error)}.`, error);
    });
    socket.on('close', () => this.handlers.onClose(failure));
  }

  /** Ends it unless one of these authorities stands behind the certificate that its peer has shown. */
  judge(authorities: readonly X509Certificate[]): void {
    if (this.#certificate !== undefined && isCertified(this.#certificate, authorities)) return;
    const reason = 'no authority of ours certifies the peer any more';
    if (this.onRevoked === undefined) this.#socket.destroy(new Error(reason));
    else this.onRevoked({ code: 'TRANSPORT_CERTIFICATE_REVOKED', reason });
  }

  get lendsReads(): boolean {
    return this.#lendsReads;
  }

  get certificate(): string | undefined {
    return this.#certificate?.fingerprint256;
  }

  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Uint8Array): boolean {
    // Node's own answer is false from 16 KiB on, which would cost a pause in every block.
    return this.#socket.write(bytes) || this.#socket.writableLength < enoughBytes;
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

/** Who the other side is, if its chain is good. */
function certify(socket: TLSSocket, certificate: X509Certificate | undefined): Certified {
  if (socket.isSessionReused()) {
    return refused('TRANSPORT_CERTIFICATE_MISSING', 'a resumed TLS session proves no certificate');
  }
  if (certificate === undefined)
    return refused('TRANSPORT_CERTIFICATE_MISSING', 'the peer showed no certificate');
  if (!socket.authorized) {
    const why = String(socket.authorizationError);
    return refused(chainCode(why), `the certificate of the peer was not accepted (${why})`);
  }
  const { uris, dnsNames } = sansOf(certificate);
  const identity = identityOf(uris, dnsNames);
  return isRefusal(identity) ? { identity: null, refusal: identity } : { identity, refusal: null };
}

const refused = (code: string, reason: string): Certified => ({ identity: null, refusal: { code, reason } });

/** OpenSSL's words for a bad chain. */
function chainCode(why: string): string {
  if (why.includes('CERT_HAS_EXPIRED')) return 'TRANSPORT_CERTIFICATE_EXPIRED';
  return why.includes('CERT_NOT_YET_VALID')
    ? 'TRANSPORT_CERTIFICATE_NOT_YET_VALID'
    : 'TRANSPORT_CERTIFICATE_UNTRUSTED';
}

function tlsCode(error: NodeJS.ErrnoException): string {
  if (error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT') return 'TRANSPORT_HANDSHAKE_TIMEOUT';
  if (error.code === 'ECONNRESET') return 'TRANSPORT_HANDSHAKE_CLOSED';
  return 'TRANSPORT_TLS_FAILED';
}

const dialError = (code: string, message: string, cause?: unknown): ClusterError =>
  new ClusterError({
    code,
    fault: 'environment',
    message,
    advice: 'Check that the peer is up and its address right.',
    cause,
  });

function listenError({ host, port }: Address, error: NodeJS.ErrnoException): ClusterError {
  const where = `${host}:${port}`;
  const inUse = error.code === 'EADDRINUSE';
  return new ClusterError({
    code: inUse ? 'TRANSPORT_PORT_IN_USE' : 'TRANSPORT_BIND_FAILED',
    fault: 'environment',
    message: inUse
      ? `The address ${where} is in use.`
      : `Cannot listen on ${where}: ${describeError(error)}.`,
    advice: inUse
      ? 'Stop what listens there, or choose another port (0 takes a free one).'
      : 'Choose an address of this machine, and a port it may use.',
    cause: error,
  });
}
