/** Frames over node:net and node:tls, the latter with a certificate from both sides: the limit. */
import { connect as connectPlain, createServer as createPlain, type Server, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTls, type SecureContextOptions } from 'node:tls';
import type { Address } from '@cluster/core';
import type { Contender, Credentials } from '../contender.ts';
import { copiedBytesMax, duplexStream, frameLink, serveFrames } from './framing.ts';

/** As the transport has them. */
export const tlsOptions = ({ ca, cert, key }: Credentials): SecureContextOptions => ({
  ca,
  cert,
  key,
  minVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
});

export const listening = (server: Server): Promise<{ readonly address: Address }> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      resolve({ address: { host: '127.0.0.1', port } });
    });
  });

const connected = (socket: Socket, event: string): Promise<Socket> =>
  new Promise((resolve, reject) => {
    socket.once('error', reject).once(event, () => resolve(socket));
  });

export const rawTls: Contender = {
  copiedMax: 0,
  listen: ({ tls }, receive) => {
    const options = { ...tlsOptions(tls), requestCert: true, rejectUnauthorized: true, noDelay: true };
    return listening(createTls(options, (socket) => serveFrames(duplexStream(socket), receive)));
  },
  connect: async ({ tls }, { host, port }, onAnswer) => {
    const socket = connectTls({ ...tlsOptions(tls), host, port });
    socket.setNoDelay(true);
    return frameLink(duplexStream(await connected(socket, 'secureConnect')), onAnswer);
  },
};

/**
 * The same with the other way of the codec for what is copied into a block, and so need not have memory of its own: what whoever writes frames for one
 * program alone could do beside us.
 */
export const rawTlsLent: Contender = { ...rawTls, copiedMax: copiedBytesMax };

export const rawNet: Contender = {
  copiedMax: 0,
  listen: (_place, receive) =>
    listening(createPlain({ noDelay: true }, (socket) => serveFrames(duplexStream(socket), receive))),
  connect: async (_place, { host, port }, onAnswer) => {
    const socket = connectPlain({ host, port, noDelay: true });
    return frameLink(duplexStream(await connected(socket, 'connect')), onAnswer);
  },
};
