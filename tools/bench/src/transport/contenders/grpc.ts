/** One bidirectional gRPC stream over mutual TLS; the bytes pass through as they are. */
import {
  Client,
  credentials,
  type ClientDuplexStream,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
} from '@grpc/grpc-js';
import type { Contender } from '../contender.ts';

const asIs = (bytes: Buffer): Buffer => bytes;
const exchange: MethodDefinition<Buffer, Buffer> = {
  path: '/bench.Bench/Exchange',
  requestStream: true,
  responseStream: true,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
};

const bytesMax = { 'grpc.max_receive_message_length': 16 * 1024 * 1024 };
const buffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

export const grpc: Contender = {
  copiedMax: 0,
  listen: async ({ tls }, receive) => {
    const server = new Server(bytesMax);
    server.addService(
      { exchange },
      {
        exchange: (call: ServerDuplexStream<Buffer, Buffer>) =>
          void call.on('data', (bytes: Buffer) => {
            const answer = receive(bytes);
            if (answer !== null) call.write(buffer(answer));
          }),
      },
    );
    const pair = { cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) };
    const secure = ServerCredentials.createSsl(Buffer.from(tls.ca), [pair], true);
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', secure, (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    return { address: { host: '127.0.0.1', port } };
  },
  connect: async ({ tls }, { host, port }, onAnswer) => {
    const secure = credentials.createSsl(Buffer.from(tls.ca), Buffer.from(tls.key), Buffer.from(tls.cert));
    const client = new Client(`${host}:${port}`, secure, bytesMax);
    await new Promise<void>((resolve, reject) => {
      client.waitForReady(Date.now() + 10_000, (error) => (error === undefined ? resolve() : reject(error)));
    });
    const call: ClientDuplexStream<Buffer, Buffer> = client.makeBidiStreamRequest(exchange.path, asIs, asIs);
    call.on('data', onAnswer).on('error', () => undefined);
    let full = false;
    return {
      post: (bytes) => {
        if (full) return false;
        full = !call.write(buffer(bytes));
        return true;
      },
      ready: async () => {
        if (full) await new Promise((resolve) => void call.once('drain', resolve));
        else await new Promise((resolve) => void setImmediate(resolve));
        full = false;
      },
      ask: (bytes) => void call.write(buffer(bytes)),
      close: async () => {
        call.cancel();
        client.close();
      },
    };
  },
};
