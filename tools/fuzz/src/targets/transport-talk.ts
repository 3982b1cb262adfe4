/** What is said on one connection by a peer with a good certificate, whoever has dialled. */
import type { Prng } from '@cluster/core';
import { FrameParser, type FrameType, frameTypes } from '@cluster/transport';
import { pieces } from '../hostile.ts';
import { demand } from '../target.ts';
import type { Speech } from './transport-frames.ts';
import type { FuzzStream } from './transport-stream.ts';
import { payloadBytesMax } from './transport-victim.ts';

export class Talk {
  readonly stream: FuzzStream;
  readonly speech: Speech;
  readonly #parser: FrameParser;
  #admitted = false;

  /** @param heard every frame that the victim says. */
  constructor(
    stream: FuzzStream,
    speech: Speech,
    heard: (type: FrameType, payload: Uint8Array, stream: number, flags: number) => void,
  ) {
    this.stream = stream;
    this.speech = speech;
    // What goes the other way: from it the peer knows which numbers are due.
    const ear = new FrameParser(payloadBytesMax, {
      onFrame: (type, flags, _typeId, stream, sequence, payload) => {
        if (type >= frameTypes.message) speech.used = sequence;
        heard(type, payload, stream, flags);
        return true;
      },
    });
    this.stream.onWrite = (bytes) => void ear.push(bytes);
    this.#parser = new FrameParser(payloadBytesMax, {
      onFrame: (type, _flags, _typeId, _stream, sequence) => {
        if (type >= frameTypes.message && sequence === (speech.taken + 1) >>> 0) speech.taken = sequence;
        return true;
      },
    });
  }

  /** A session begins or goes on. @param taken of it, the last number that the victim has taken. */
  admitted(sessionId: string, taken: number): void {
    this.#admitted = true;
    this.speech.begin(sessionId, taken);
  }

  get isAdmitted(): boolean {
    return this.#admitted && !this.stream.isOver;
  }

  leave(): void {
    this.stream.handlers.onClose(null);
    this.stream.isOver = true;
  }

  say(prng: Prng, bytes: Uint8Array): void {
    for (const piece of pieces(prng, bytes)) {
      if (this.stream.isOver) return;
      this.#parser.push(piece.slice());
      demand(this.#parser.pendingBytes <= payloadBytesMax + 64, 'a parser holds back one frame at most');
      this.stream.read(piece);
    }
  }
}
