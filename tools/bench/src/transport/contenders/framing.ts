/**
 * The limit: length-prefixed frames, copied into blocks of 64 KiB, one write per turn; on the other side views into what was
 * read, and a copy only of the frame that spans two chunks. This is what any transport has to do, and nothing else.
 */
import type { Duplex } from 'node:stream';
import type { Link, Receive } from '../contender.ts';

/** What frames are written to and read from. */
export interface ByteStream {
  /** `written` is called when the bytes have left this process. */
  write(bytes: Uint8Array, written: () => void): void;
  /** Writes that should become one. */
  together(writes: () => void): void;
  onData(receive: (chunk: Uint8Array) => void): void;
  close(): void;
}

export const duplexStream = (duplex: Duplex): ByteStream => ({
  write: (bytes, written) => void duplex.write(bytes, written),
  together: (writes) => {
    duplex.cork();
    writes();
    duplex.uncork();
  },
  onData: (receive) => void duplex.on('data', receive).on('error', () => undefined),
  close: () => void duplex.destroy(),
});

const blockBytes = 65_536;
const prefixBytes = 4;
/** A larger message is not copied: only its length is put into the block. */
export const copiedBytesMax = blockBytes / 4 - prefixBytes;
/** Above this a sender waits. */
const pendingBytesMax = 512 * 1024;

export class FrameWriter {
  readonly #stream: ByteStream;
  /** Made when there is something to write: a connection that stays idle has none. */
  #block = Buffer.alloc(0);
  #start = 0;
  #end = 0;
  #pending = 0;
  #scheduled = false;
  #waiting: (() => void) | null = null;

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  get full(): boolean {
    return this.#pending + this.#end - this.#start > pendingBytesMax;
  }

  push(bytes: Uint8Array): void {
    const size = prefixBytes + bytes.length;
    const large = bytes.length > copiedBytesMax;
    if (this.#end + (large ? prefixBytes : size) > this.#block.length) {
      this.flush();
      this.#block = Buffer.allocUnsafeSlow(blockBytes);
      this.#start = 0;
      this.#end = 0;
    }
    this.#block.writeUInt32LE(bytes.length, this.#end);
    this.#end += prefixBytes;
    if (large) {
      this.#stream.together(() => {
        this.flush();
        this.#write(bytes);
      });
      return;
    }
    this.#block.set(bytes, this.#end);
    this.#end += bytes.length;
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.flush();
    });
  }

  flush(): void {
    if (this.#end === this.#start) return;
    this.#write(this.#block.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }

  ready(): Promise<void> {
    if (!this.full) return new Promise((resolve) => void setImmediate(resolve));
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  #write(bytes: Uint8Array): void {
    this.#pending += bytes.length;
    this.#stream.write(bytes, () => {
      this.#pending -= bytes.length;
      if (this.#waiting === null || this.full) return;
      const resume = this.#waiting;
      this.#waiting = null;
      resume();
    });
  }
}

/** Calls back with each frame; what it is given is a view unless the frame came in pieces. */
export function frameReader(onFrame: (bytes: Uint8Array) => void): (chunk: Uint8Array) => void {
  const prefix = Buffer.allocUnsafe(prefixBytes);
  let prefixHas = 0;
  let gathered: Buffer | null = null;
  let has = 0;
  return (chunk) => {
    const buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    let at = 0;
    while (at < buffer.length) {
      if (gathered !== null) {
        const take = Math.min(gathered.length - has, buffer.length - at);
        buffer.copy(gathered, has, at, at + take);
        has += take;
        at += take;
        if (has < gathered.length) return;
        const frame = gathered;
        gathered = null;
        onFrame(frame);
        continue;
      }
      let size: number;
      if (prefixHas === 0 && buffer.length - at >= prefixBytes) {
        size = buffer.readUInt32LE(at);
        at += prefixBytes;
      } else {
        const take = Math.min(prefixBytes - prefixHas, buffer.length - at);
        buffer.copy(prefix, prefixHas, at, at + take);
        prefixHas += take;
        at += take;
        if (prefixHas < prefixBytes) return;
        size = prefix.readUInt32LE(0);
        prefixHas = 0;
      }
      if (buffer.length - at >= size) {
        onFrame(buffer.subarray(at, at + size));
        at += size;
      } else {
        gathered = Buffer.allocUnsafeSlow(size);
        buffer.copy(gathered, 0, at);
        has = buffer.length - at;
        return;
      }
    }
  };
}

/** The listening side of one stream. */
export function serveFrames(stream: ByteStream, receive: Receive): void {
  const writer = new FrameWriter(stream);
  stream.onData(
    frameReader((bytes) => {
      const answer = receive(bytes);
      if (answer !== null) writer.push(answer);
    }),
  );
}

/** The dialling side of one stream. */
export function frameLink(stream: ByteStream, onAnswer: (bytes: Uint8Array) => void): Link {
  const writer = new FrameWriter(stream);
  stream.onData(frameReader(onAnswer));
  return {
    post: (bytes) => {
      if (writer.full) return false;
      writer.push(bytes);
      return true;
    },
    ready: () => writer.ready(),
    ask: (bytes) => writer.push(bytes),
    close: async () => stream.close(),
  };
}
