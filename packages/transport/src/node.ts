/** @packageDocumentation The transport on real sockets: TLS 1.3 over TCP. */
export { checkCredentials, type TlsCredentials } from './node/credentials.ts';
export { nodeDeflate } from './node/deflate.ts';
export { NodeTransport } from './node/node-transport.ts';
export { readCredentials, startTransport, type StartOptions, type StartPorts } from './node/start.ts';
export { TlsStreams, type TlsStreamOptions } from './node/tls-streams.ts';
