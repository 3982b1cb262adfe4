/** A listener for frames over TLS that may speak without being asked. */
import { createServer } from 'node:tls';
import type { Address } from '@cluster/core';
import type { Place } from '../contender.ts';
import { duplexStream, frameReader, FrameWriter } from './framing.ts';
import { listening, tlsOptions } from './raw.ts';

export interface Frames {
  readonly address: Address;
  receive: (bytes: Uint8Array) => void;
  /** To everybody who has connected. */
  broadcast(bytes: Uint8Array): void;
}

export async function framesOver({ tls }: Place): Promise<Frames> {
  const writers: FrameWriter[] = [];
  const options = { ...tlsOptions(tls), requestCert: true, rejectUnauthorized: true, noDelay: true };
  const server = createServer(options, (socket) => {
    const stream = duplexStream(socket);
    writers.push(new FrameWriter(stream));
    stream.onData(frameReader((bytes) => frames.receive(bytes)));
  });
  const { address } = await listening(server);
  const frames: Frames = {
    address,
    receive: () => undefined,
    broadcast: (bytes) => {
      for (const writer of writers) writer.push(bytes);
    },
  };
  return frames;
}
