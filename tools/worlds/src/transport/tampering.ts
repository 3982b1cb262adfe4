/** Streams that change what a node says, frame by frame. */
import {
  encodeFrame,
  FrameParser,
  type FrameType,
  headerBytes,
  type SecureStream,
  type SecureStreamPort,
  writeHeader,
} from '@cluster/transport';
import type { DuplexHandlers } from '@cluster/core';

export interface Frame {
  type: FrameType;
  flags: number;
  typeId: number;
  stream: number;
  sequence: number;
  payload: Uint8Array;
}

/** What is said in place of a frame. */
export type Change = (frame: Frame) => readonly Frame[];

/** @param makeChange for each stream. @param saysThatItLends whether who reads is told that what he reads is lent. */
export function tampering(
  streams: SecureStreamPort,
  makeChange: () => Change,
  saysThatItLends = true,
): SecureStreamPort {
  const tampered = (stream: SecureStream): SecureStream =>
    new TamperedStream(stream, makeChange(), saysThatItLends && stream.lendsReads === true);
  return {
    listen: (local, accept, reject, done) =>
      streams.listen(local, (stream) => accept(tampered(stream)), reject, done),
    dial: (remote, handlers, timeoutMs, done) =>
      streams.dial(remote, handlers, timeoutMs, (outcome) =>
        done(outcome.ok ? { ok: true, value: tampered(outcome.value) } : outcome),
      ),
  };
}

class TamperedStream implements SecureStream {
  readonly #inner: SecureStream;
  readonly #parser: FrameParser;
  readonly lendsReads: boolean;
  #roomy = true;

  constructor(inner: SecureStream, change: Change, lendsReads: boolean) {
    this.#inner = inner;
    this.lendsReads = lendsReads;
    this.#parser = new FrameParser(1 << 24, {
      onFrame: (type, flags, typeId, stream, sequence, payload) => {
        for (const frame of change({ type, flags, typeId, stream, sequence, payload: payload.slice() }))
          this.#roomy = inner.write(encode(frame));
        return true;
      },
    });
  }

  get remote() {
    return this.#inner.remote;
  }
  get certified() {
    return this.#inner.certified;
  }
  get handlers(): DuplexHandlers {
    return this.#inner.handlers;
  }
  set handlers(handlers: DuplexHandlers) {
    this.#inner.handlers = handlers;
  }

  write(bytes: Uint8Array): boolean {
    this.#roomy = true;
    this.#parser.push(bytes.slice());
    return this.#roomy;
  }

  end(): void {
    this.#inner.end();
  }

  destroy(): void {
    this.#inner.destroy();
  }
}

function encode({ type, flags, typeId, stream, sequence, payload }: Frame): Uint8Array {
  const bytes = encodeFrame(type, payload);
  writeHeader(bytes, 0, bytes.length - headerBytes, type, flags, typeId, stream, sequence);
  return bytes;
}
