/**
 * nats.js through a nats-server: a broker, so a hop more, without TLS. Publishing knows no backpressure; the sender asks for a
 * round trip to the server after every mebibyte.
 */
import { connect, type NatsConnection } from 'nats';
import type { Contender } from '../contender.ts';

const subject = 'bench.in';
const answers = 'bench.out';
const windowBytes = 1024 * 1024;

/** `NATS_URL` names the broker that this benchmark has started. */
const join = (): Promise<NatsConnection> =>
  connect({ servers: process.env['NATS_URL'] ?? '', waitOnFirstConnect: true, reconnectTimeWait: 50 });

export const nats: Contender = {
  copiedMax: 0,
  listen: async (_place, receive) => {
    const connection = await join();
    connection.subscribe(subject, {
      callback: (error, message) => {
        if (error !== null) throw error;
        const answer = receive(message.data);
        if (answer !== null) message.respond(answer);
      },
    });
    await connection.flush();
    return { address: { host: '127.0.0.1', port: 0 } };
  },
  connect: async (_place, _server, onAnswer) => {
    const connection = await join();
    connection.subscribe(answers, { callback: (_error, message) => onAnswer(message.data) });
    await connection.flush();
    let sent = 0;
    return {
      post: (bytes) => {
        if (sent > windowBytes) return false;
        connection.publish(subject, bytes);
        sent += bytes.length;
        return true;
      },
      ready: async () => {
        if (sent > windowBytes) {
          await connection.flush();
          sent = 0;
        } else await new Promise((resolve) => void setImmediate(resolve));
      },
      ask: (bytes) => connection.publish(subject, bytes, { reply: answers }),
      close: () => connection.close(),
    };
  },
};
