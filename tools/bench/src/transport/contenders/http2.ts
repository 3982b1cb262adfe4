/** One bidirectional stream of node:http2 that carries frames, over the same mutual TLS, with windows of 16 MiB. */
import { connect, createSecureServer, type ServerHttp2Session } from 'node:http2';
import type { Contender } from '../contender.ts';
import { duplexStream, frameLink, serveFrames } from './framing.ts';
import { listening, tlsOptions } from './raw.ts';

const windowBytes = 16 * 1024 * 1024;
const settings = { initialWindowSize: windowBytes, maxFrameSize: 1024 * 1024 };

export const http2: Contender = {
  copiedMax: 0,
  listen: ({ tls }, receive) => {
    const server = createSecureServer({ ...tlsOptions(tls), requestCert: true, settings });
    server.on('session', (session: ServerHttp2Session) => session.setLocalWindowSize(windowBytes));
    server.on('stream', (stream) => {
      stream.respond({ ':status': 200 });
      serveFrames(duplexStream(stream), receive);
    });
    return listening(server);
  },
  connect: async ({ tls }, { host, port }, onAnswer) => {
    const session = connect(`https://${host}:${port}`, { ...tlsOptions(tls), settings });
    await new Promise((resolve, reject) => void session.once('connect', resolve).once('error', reject));
    session.setLocalWindowSize(windowBytes);
    const stream = session.request({ ':method': 'POST', ':path': '/' }, { endStream: false });
    await new Promise((resolve, reject) => void stream.once('response', resolve).once('error', reject));
    const link = frameLink(duplexStream(stream), onAnswer);
    return {
      ...link,
      close: async () => {
        await link.close();
        session.destroy();
      },
    };
  },
};
