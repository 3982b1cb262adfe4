/**
 * The bytes of the write-ahead log.
 *
 * A segment is a file: a header, then frames, then zeros. A frame is one group commit: everything that queued while the flush
 * before it was under way, written with one call and made durable with one sync.
 *
 *     segment header  magic 8 · version u32 · previous crc u32 · number u64 · first sequence u64 · crc u32 · 0 u32
 *     frame           magic u32 · length u32 · sequence u64 · previous crc u32 · crc u32 · records · crc u32 · end u32
 *     record          type u8 · 0 0 0 · group u32 · body, to a multiple of 8
 *
 * Everything starts at a multiple of eight bytes, so magic and length of a frame share a sector and cannot be torn apart. The crc
 * (CRC-32C) covers the header before it and the records; it also covers the crc of the frame before, so that a frame is valid in
 * one place of one history only: what an older history left behind a torn frame never continues the chain. The end repeats the crc
 * as the last bytes of the write, which tells a frame that was written whole and went bad from one that was never finished.
 * (etcd's log has the aligned records and the zero-sector test, HashiCorp's raft-wal the one checksum a commit.)
 */
import { ByteReader, type ByteWriter, u32At } from '../bytes.ts';
import type { Entry, HardState, LogBase } from '../core/types.ts';
import { crc32c } from '../crc32c.ts';
import { readEntryBody, writeEntryBody } from '../entry-codec.ts';
import type { LogWrite } from '../ports.ts';

export const segmentHeaderBytes = 40;
export const frameHeaderBytes = 24;
export const frameTrailerBytes = 8;
export const frameOverheadBytes = frameHeaderBytes + frameTrailerBytes;
/** A longer frame is none. */
export const maxFrameBytes = 1024 * 1024 * 1024;
/** What a disk writes whole or not at all. */
export const sectorBytes = 512;

const version = 1;
export const frameMagic = 0x4d52_4652; // RFRM
const frameEnd = 0x444e_4552; // REND

const magicBytes = new TextEncoder().encode('CLRFTWAL');

/** Where a chain of frames stands. */
export interface Chain {
  /** Checksum of the last frame; 0 before the first. */
  readonly crc: number;
  /** Sequence of the last frame; 0 before the first. */
  readonly sequence: number;
}

export interface SegmentHeader {
  readonly number: number;
  /** The chain this segment continues. */
  readonly chain: Chain;
}

export const segmentName = (number: number): string => `${number.toString(16).padStart(16, '0')}.wal`;

export function segmentNumber(name: string): number | undefined {
  return /^[0-9a-f]{16}\.wal$/.test(name) ? Number.parseInt(name.slice(0, 16), 16) : undefined;
}

export function writeSegmentHeader(writer: ByteWriter, { number, chain }: SegmentHeader): void {
  const start = writer.length;
  writer.raw(magicBytes);
  writer.u32(version);
  writer.u32(chain.crc);
  writer.u64(number);
  writer.u64(chain.sequence);
  writer.u32(crc32c(writer.view().subarray(start)));
  writer.u32(0);
}

export function readSegmentHeader(bytes: Uint8Array): SegmentHeader | undefined {
  const reader = new ByteReader(bytes.subarray(8, segmentHeaderBytes));
  const isMagic = magicBytes.every((byte, i) => byte === bytes[i]);
  const isVersion = reader.u32() === version;
  const crc = reader.u32();
  const number = reader.u64();
  const sequence = reader.u64();
  const isSound = reader.u32() === crc32c(bytes.subarray(0, segmentHeaderBytes - 8)) && !reader.failed;
  return isMagic && isVersion && isSound ? { number, chain: { crc, sequence } } : undefined;
}

/** Appends a frame of these records to `writer`; returns the chain with it. */
export function writeFrame(writer: ByteWriter, chain: Chain, records: (writer: ByteWriter) => void): Chain {
  const start = writer.length;
  const sequence = chain.sequence + 1;
  writer.u32(frameMagic);
  writer.u32(0);
  writer.u64(sequence);
  writer.u32(chain.crc);
  writer.u32(0);
  records(writer);
  writer.patchU32(start + 4, writer.length - start - frameHeaderBytes);
  const crc = frameCrc(writer.view().subarray(start));
  writer.patchU32(start + 20, crc);
  writer.u32(crc);
  writer.u32(frameEnd);
  return { crc, sequence };
}

/** Of a frame that is complete but for its trailer. */
const frameCrc = (frame: Uint8Array, end = frame.length): number =>
  crc32c(frame, crc32c(frame, 0, 0, 20), frameHeaderBytes, end);

export interface FrameHeader {
  readonly length: number;
  readonly sequence: number;
  readonly previousCrc: number;
  readonly crc: number;
}

/** The header of a frame of plausible length; undefined for anything else. */
export function readFrameHeader(bytes: Uint8Array): FrameHeader | undefined {
  if (bytes.length < frameHeaderBytes || u32At(bytes, 0) !== frameMagic) return undefined;
  const length = u32At(bytes, 4);
  // Whatever it is: that it is out of range is for the checksum to say.
  const sequence = u32At(bytes, 8) + u32At(bytes, 12) * 0x1_0000_0000;
  const isPlausible = length % 8 === 0 && length <= maxFrameBytes;
  return isPlausible ? { length, sequence, previousCrc: u32At(bytes, 16), crc: u32At(bytes, 20) } : undefined;
}

/** Whether a whole frame is as it was written; where it belongs is another question. */
export function isSoundFrame(frame: Uint8Array, { crc }: FrameHeader): boolean {
  const end = frame.length - frameTrailerBytes;
  return u32At(frame, end) === crc && hasEnd(frame) && frameCrc(frame, end) === crc;
}

/** Whether the last bytes of the write are there. */
export const hasEnd = (frame: Uint8Array): boolean => u32At(frame, frame.length - 4) === frameEnd;

const recordTypes = { hardState: 1, entry: 2, truncate: 3, base: 4 } as const;

export function writeRecords(writer: ByteWriter, groupId: number, write: LogWrite): void {
  const begin = (type: number): void => {
    writer.u32(type);
    writer.u32(groupId);
  };
  const { hardState, base, truncateAfter, entries } = write;
  if (hardState !== null) {
    begin(recordTypes.hardState);
    writer.u64(hardState.term);
    writer.name(hardState.vote ?? '');
    writer.align(8);
  }
  if (base !== null) {
    begin(recordTypes.base);
    writer.u64(base.index);
    writer.u64(base.term);
  }
  if (truncateAfter !== null) {
    begin(recordTypes.truncate);
    writer.u64(truncateAfter);
  }
  for (const entry of entries) {
    begin(recordTypes.entry);
    writer.u64(entry.index);
    writer.u64(entry.term);
    writeEntryBody(writer, entry);
    writer.align(8);
  }
}

/** Told of each record of a frame, in order. */
export interface RecordVisitor {
  hardState(groupId: number, hardState: HardState): void;
  base(groupId: number, base: LogBase): void;
  truncate(groupId: number, after: number): void;
  entry(groupId: number, entry: Entry): void;
}

/**
 * Commands are views of the records: nearly all of a log is commands, and a buffer for each would be most of the cost of a start.
 *
 * @returns false when the records make no sense, though their checksum is right.
 */
export function readRecords(records: Uint8Array, visitor: RecordVisitor): boolean {
  const reader = new ByteReader(records, true);
  while (reader.remaining > 0 && !reader.failed) {
    const type = reader.u32();
    const groupId = reader.u32();
    switch (type) {
      case recordTypes.hardState: {
        const term = reader.u64();
        const vote = reader.name();
        if (!reader.failed) visitor.hardState(groupId, { term, vote: vote === '' ? null : vote });
        break;
      }
      case recordTypes.base: {
        const base = { index: reader.u64(), term: reader.u64() };
        if (!reader.failed) visitor.base(groupId, base);
        break;
      }
      case recordTypes.truncate: {
        const after = reader.u64();
        if (!reader.failed) visitor.truncate(groupId, after);
        break;
      }
      case recordTypes.entry: {
        const index = reader.u64();
        const term = reader.u64();
        const { kind, session, command } = readEntryBody(reader);
        if (!reader.failed) visitor.entry(groupId, { index, term, kind, session, command });
        break;
      }
      default:
        return false;
    }
    reader.align(8);
  }
  return !reader.failed;
}
