/**
 * Reading one segment: its frames in order, and a verdict on where they end.
 *
 * Behind the last good frame there may be zeros (the clean end), a frame that was being written when the power went (torn: dropped,
 * nobody was told of it), or damage: something that was once durable and no longer is what it was. It is damage when a sound frame
 * follows, or when the frame has its end bytes and no sector of it is missing; then nothing may be dropped.
 */
import { type DiskFile, type Task, wait } from '@cluster/core';
import { logDamaged } from '../errors.ts';
import {
  type Chain,
  type FrameHeader,
  frameHeaderBytes,
  frameMagic,
  frameOverheadBytes,
  hasEnd,
  isSoundFrame,
  readFrameHeader,
  readSegmentHeader,
  sectorBytes,
  segmentHeaderBytes,
} from './format.ts';

// A start on a busy machine waits at each read.
const windowBytes = 4 * 1024 * 1024;

export interface ScannedSegment {
  /** Where the next frame goes. */
  readonly end: number;
  readonly size: number;
  readonly chain: Chain;
  /** Something lies behind the end that has to go. */
  readonly isTorn: boolean;
  /** Offset of the last frame's first byte, of the segment's when it is the first; null without a frame. */
  readonly lastFrameAt: number | null;
}

export interface ScanOptions {
  readonly file: DiskFile;
  readonly number: number;
  /** What the segment must continue; null for the oldest one there is. */
  readonly chain: Chain | null;
  readonly isLast: boolean;
  /** Gets the records of each frame, and the offset of the frame. */
  readonly onFrame: (records: Uint8Array, offset: number) => void;
}

/** @throws ClusterError `RAFT_LOG_DAMAGED`. @returns null for a last segment that was never finished being made. */
export function* scanSegment(options: ScanOptions): Task<ScannedSegment | null> {
  const { file, number, isLast, onFrame } = options;
  const reader = new WindowReader(file, yield* wait<number>((done) => file.size(done)));
  const header = readSegmentHeader(yield* reader.read(0, segmentHeaderBytes));
  if (header === undefined) {
    const sound = yield* findSoundFrame(reader, 0, options.chain?.sequence ?? 0);
    if (!isLast || sound !== null)
      throw logDamaged(file.path, 0, 'the header of the segment is not readable');
    return null;
  }
  if (header.number !== number)
    throw logDamaged(file.path, 0, `it is segment ${header.number}, not ${number}`);
  let chain = options.chain ?? header.chain;
  if (chain.crc !== header.chain.crc || chain.sequence !== header.chain.sequence) {
    throw logDamaged(
      file.path,
      0,
      'it does not continue the segment before it, whose last entries are missing',
    );
  }
  let offset = segmentHeaderBytes;
  let lastFrameAt: number | null = null;
  for (;;) {
    const found = heldFrame(reader, offset) ?? (yield* readFrame(reader, offset));
    if (found === null || !continues(found, chain)) break;
    onFrame(found.frame.subarray(frameHeaderBytes, frameHeaderBytes + found.header.length), offset);
    chain = { crc: found.header.crc, sequence: found.header.sequence };
    lastFrameAt = lastFrameAt === null ? 0 : offset;
    offset += found.frame.length;
  }
  const isTorn = yield* judgeTail(reader, offset, chain, isLast);
  if (lastFrameAt === null && isLast) return null;
  return { end: offset, size: reader.size, chain, isTorn, lastFrameAt };
}

interface Found {
  readonly header: FrameHeader;
  readonly frame: Uint8Array;
}

const continues = ({ header, frame }: Found, chain: Chain): boolean =>
  header.sequence === chain.sequence + 1 && header.previousCrc === chain.crc && isSoundFrame(frame, header);

/** What claims to be a frame and lies within the file. */
function* readFrame(reader: WindowReader, offset: number): Task<Found | null> {
  const header = readFrameHeader(yield* reader.read(offset, frameHeaderBytes));
  if (header === undefined || offset + frameOverheadBytes + header.length > reader.size) return null;
  return { header, frame: yield* reader.read(offset, frameOverheadBytes + header.length) };
}

/** The same without a wait, and the generators that make one, where all of it has been read: a log is full of small frames. */
function heldFrame(reader: WindowReader, offset: number): Found | null {
  const head = reader.held(offset, frameHeaderBytes);
  const header = head && readFrameHeader(head);
  const frame = header && reader.held(offset, frameOverheadBytes + header.length);
  return frame ? { header, frame } : null;
}

/** @returns whether a torn frame has to be cleared away. */
function* judgeTail(reader: WindowReader, offset: number, chain: Chain, isLast: boolean): Task<boolean> {
  if (!(yield* reader.hasDataFrom(offset))) return false;
  const { path } = reader;
  // Frames go to the next segment only when all before are durable.
  if (!isLast) throw logDamaged(path, offset, 'a frame in the middle of the log is not sound');
  const found = yield* readFrame(reader, offset);
  if (found !== null && hasEnd(found.frame) && !lacksSector(found.frame, offset)) {
    throw logDamaged(path, offset, 'the last frame was written whole, but its checksum is wrong');
  }
  const sound = yield* findSoundFrame(reader, offset + 8, chain.sequence + 1);
  if (sound !== null)
    throw logDamaged(path, offset, `a frame is not sound, but the one at offset ${sound} is`);
  return true;
}

/** Whether a sector's worth of the frame is all zero, as where a write did not get to. */
function lacksSector(frame: Uint8Array, offset: number): boolean {
  for (let at = 0; at < frame.length;) {
    const next = Math.min(frame.length, at + sectorBytes - ((offset + at) % sectorBytes));
    if (frame.subarray(at, next).every((byte) => byte === 0)) return true;
    at = next;
  }
  return false;
}

/** Offset of the first sound frame from `from` on that comes later in the chain than `sequence`. */
function* findSoundFrame(reader: WindowReader, from: number, sequence: number): Task<number | null> {
  for (let start = from - (from % 8); start < reader.size; start += windowBytes) {
    const window = yield* reader.read(start, windowBytes);
    const view = new DataView(window.buffer, window.byteOffset, window.byteLength);
    const candidates: number[] = [];
    for (let at = 0; at + 4 <= window.length; at += 8) {
      if (view.getUint32(at, true) === frameMagic && start + at >= from) candidates.push(start + at);
    }
    for (const offset of candidates) {
      const found = yield* readFrame(reader, offset);
      if (found !== null && found.header.sequence > sequence && isSoundFrame(found.frame, found.header))
        return offset;
    }
  }
  return null;
}

/** A segment's tail may be 64 MiB of zeros: four bytes at a time, where they are aligned. */
function isZero(bytes: Uint8Array): boolean {
  const wordsEnd = bytes.byteOffset % 4 === 0 ? bytes.length - (bytes.length % 4) : 0;
  const words = new Uint32Array(bytes.buffer, wordsEnd === 0 ? 0 : bytes.byteOffset, wordsEnd / 4);
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  for (let i = wordsEnd; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** Reads a file in order through a window, so that a large segment costs little memory. */
class WindowReader {
  readonly size: number;
  readonly #file: DiskFile;
  #start = 0;
  #window: Uint8Array = new Uint8Array(0);

  constructor(file: DiskFile, size: number) {
    this.#file = file;
    this.size = size;
  }

  get path(): string {
    return this.#file.path;
  }

  /** Fewer bytes at the end of the file; valid as long as nobody changes the file. */
  *read(offset: number, length: number): Task<Uint8Array> {
    const end = Math.min(offset + length, this.size);
    if (offset >= end) return new Uint8Array(0);
    const held = this.held(offset, end - offset);
    if (held !== null) return held;
    const count = Math.min(Math.max(windowBytes, end - offset), this.size - offset);
    this.#window = yield* wait<Uint8Array>((done) => this.#file.read(offset, count, done));
    this.#start = offset;
    return this.#window.subarray(0, end - offset);
  }

  /** Null when they are not all in the window. */
  held(offset: number, length: number): Uint8Array | null {
    const at = offset - this.#start;
    return at >= 0 && at + length <= this.#window.length ? this.#window.subarray(at, at + length) : null;
  }

  *hasDataFrom(offset: number): Task<boolean> {
    for (let at = offset; at < this.size; at += windowBytes) {
      const window = yield* this.read(at, windowBytes);
      if (!isZero(window)) return true;
    }
    return false;
  }
}
