/**
 * The limit: what any replicated log has to do, and no protocol. A leader that was chosen beforehand hands each write on to two
 * followers over the same mutual TLS, all three append to a preallocated file and share a flush among what has come in
 * meanwhile, and the client is answered when two of three have it on their disk.
 */
import { fdatasync, openSync, write, writeSync } from 'node:fs';
import type { Address } from '@cluster/core';
import { serveParent } from '../process/remote.ts';
import { rawTls } from '../transport/contenders/raw.ts';
import { framesOver } from '../transport/contenders/raw-server.ts';
import type { Link, Place } from '../transport/contender.ts';
import { decode, encode, kinds } from '../transport/message.ts';

export interface BareOptions {
  readonly place: Place;
  readonly file: string;
  readonly followers: readonly Address[];
}

const preallocatedBytes = 256 * 1024 * 1024;

/** Appends; calls back with how many records are on the disk. */
class GroupFile {
  readonly #file: number;
  readonly #durable: (records: number) => void;
  #pending: Uint8Array[] = [];
  #records = 0;
  #offset = 0;
  #busy = false;

  constructor(path: string, durable: (records: number) => void) {
    this.#file = openSync(path, 'w');
    this.#durable = durable;
    const zeros = Buffer.alloc(4 * 1024 * 1024);
    for (let at = 0; at < preallocatedBytes; at += zeros.length)
      writeSync(this.#file, zeros, 0, zeros.length, at);
  }

  append(record: Uint8Array): void {
    this.#pending.push(record);
    this.#records++;
    this.#flush();
  }

  #flush(): void {
    if (this.#busy || this.#pending.length === 0) return;
    this.#busy = true;
    const block = Buffer.concat(this.#pending);
    this.#pending = [];
    const records = this.#records;
    if (this.#offset + block.length > preallocatedBytes) this.#offset = 0;
    const failed = (error: Error): never => {
      throw error;
    };
    write(this.#file, block, 0, block.length, this.#offset, (writeError) => {
      if (writeError !== null) failed(writeError);
      fdatasync(this.#file, (syncError) => {
        if (syncError !== null) failed(syncError);
        this.#busy = false;
        this.#durable(records);
        this.#flush();
      });
    });
    this.#offset += block.length;
  }
}

serveParent({
  follow: async ({ place, file }: BareOptions): Promise<Address> => {
    const frames = await framesOver(place);
    const log = new GroupFile(file, (records) => frames.broadcast(count(records)));
    frames.receive = (bytes) => log.append(new Uint8Array(bytes));
    return frames.address;
  },
  lead: async ({ place, file, followers }: BareOptions): Promise<Address> => {
    const durable = [0, 0, 0];
    const waiting: { id: number; k: string }[] = [];
    let answered = 0;
    const frames = await framesOver(place);
    const advance = (server: number, records: number): void => {
      durable[server] = records;
      const committed = [...durable].sort((a, b) => a - b)[1] ?? 0;
      for (; answered < committed; answered++) {
        const { id, k } = waiting.shift() as { id: number; k: string };
        frames.broadcast(encode({ t: kinds.reply, id, k, p: new Uint8Array(0) }));
      }
    };
    const links: Link[] = await Promise.all(
      followers.map((address, i) =>
        rawTls.connect(place, address, (bytes) => advance(i + 1, Buffer.from(bytes).readUInt32LE())),
      ),
    );
    const log = new GroupFile(file, (records) => advance(0, records));
    frames.receive = (bytes) => {
      const { id, k } = decode(bytes);
      waiting.push({ id, k });
      const record = new Uint8Array(bytes);
      for (const link of links) link.ask(record);
      log.append(record);
    };
    return frames.address;
  },
});

function count(records: number): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(4);
  bytes.writeUInt32LE(records);
  return bytes;
}
