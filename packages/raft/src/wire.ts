/**
 * Bytes <-> messages. What a peer sends is checked here and only here; anything wrong comes back as a problem, never as a throw.
 *
 * A compact fixed layout, little-endian, without names or types in the bytes: nothing in it can define a structure, build an object
 * of the sender's choosing, or need code to be generated, and a reader's bounds are one comparison a field.
 */
import { ByteReader, ByteWriter } from './bytes.ts';
import { crc32c } from './crc32c.ts';
import { type ForwardedDraft, type RaftMessage, snapshotStatuses } from './core/messages.ts';
import {
  type Entry,
  refusalStatuses,
  type RefusalStatus,
  type SnapshotId,
  type Verdict,
} from './core/types.ts';
import { entryBodyBytesMin, readDraft, readEntryBody, writeEntryBody } from './entry-codec.ts';

const version = 1;

/** The layout as text: its checksum is what two nodes compare before they talk. Change it with any change of the bytes. */
const layout = `raft/${version}
message: version u8, group u32, type u8, term u64, body
together: 0x80 u8, (message blob)*
1 voteRequest: u8 0 real, 1 pre, 2 real and invited, lastIndex u64, lastTerm u64
2 voteResponse: pre flag, granted flag
3 append: prevIndex u64, prevTerm u64, commit u64, count u32, (term u64, body)*
4 appendAccepted: match u64
5 appendRejected: rejected u64, hintIndex u64, hintTerm u64
6 commit: commit u64
7 propose: boot u32, count u32, (ref u64, body)*
8 proposed: boot u32, ref u64, asked u64, status u8, applied: index u64, term u64, result blob
9 confirm: round u64
10 confirmed: round u64
11 readRequest: boot u32, request u64
12 readAnswer: boot u32, request u64, index u64
13 timeoutNow:
14 snapshotPiece: index u64, term u64, length u64, crc u32, offset u64, bytes blob
15 snapshotAnswer: index u64, offset u64, status u8: ${snapshotStatuses.join(', ')}
16 leftOut: index u64, indexTerm u64
body: kind u8 + 0x80 with session, [clientId u64, sequence u64], command blob
kind: 0 noop, 1 command, 2 openSession, 3 barrier, 4 configuration
configuration: (voters, outgoing, learners, learnersNext, staging: count u16, name*), autoLeave flag
status: 0 applied, ${refusalStatuses.join(', ')}`;

/** Names the bytes this version speaks; for the handshake of whoever carries them. */
export const raftCodecHash: string = crc32c(new TextEncoder().encode(layout)).toString(16).padStart(8, '0');

const types = [
  'voteRequest',
  'voteResponse',
  'append',
  'appendAccepted',
  'appendRejected',
  'commit',
  'propose',
  'proposed',
  'confirm',
  'confirmed',
  'readRequest',
  'readAnswer',
  'timeoutNow',
  'snapshotPiece',
  'snapshotAnswer',
  'leftOut',
] as const satisfies readonly RaftMessage['type'][];

const headerBytes = 14;

export interface Envelope {
  readonly groupId: number;
  readonly message: RaftMessage;
}

/** The group a message is for, without decoding it; undefined when it is none. */
export function groupOf(bytes: Uint8Array): number | undefined {
  if (bytes.length < headerBytes || bytes[0] !== version) return undefined;
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(1, true);
}

const togetherMark = 0x80;
// prevIndex, prevTerm, commit, and a count of none.
const heartbeatBytes = headerBytes + 28;

/** An append without entries: the one message that may wait a little. */
export const isHeartbeat = (bytes: Uint8Array): boolean =>
  bytes.length === heartbeatBytes && bytes[5] === types.indexOf('append') + 1;

/** Messages of any groups to one peer, in order. */
export function encodeTogether(messages: readonly Uint8Array[]): Uint8Array {
  const writer = new ByteWriter(messages.reduce((sum, { length }) => sum + length + 4, 1));
  writer.u8(togetherMark);
  for (const message of messages) writer.blob(message);
  return writer.take();
}

/** Views of the bytes; null when they are one message, or none. What each holds is for its group to check. */
export function decodeTogether(bytes: Uint8Array): readonly Uint8Array[] | null {
  const reader = new ByteReader(bytes, true);
  if (reader.u8() !== togetherMark) return null;
  const messages: Uint8Array[] = [];
  while (reader.remaining > 0 && !reader.failed) messages.push(reader.blob());
  return reader.failed ? null : messages;
}

export function encodeMessage({ groupId, message }: Envelope): Uint8Array {
  const writer = new ByteWriter(message.type === 'append' || message.type === 'propose' ? 1024 : 64);
  writer.u8(version);
  writer.u32(groupId);
  writer.u8(types.indexOf(message.type) + 1);
  writer.u64(message.term);
  writeFields(writer, message);
  return writer.take();
}

function writeFields(writer: ByteWriter, message: RaftMessage): void {
  switch (message.type) {
    case 'voteRequest':
      writer.u8(message.pre ? 1 : message.invited ? 2 : 0);
      writer.u64(message.lastIndex);
      return writer.u64(message.lastTerm);
    case 'voteResponse':
      writer.u8(message.pre ? 1 : 0);
      return writer.u8(message.granted ? 1 : 0);
    case 'append':
      writer.u64(message.prevIndex);
      writer.u64(message.prevTerm);
      writer.u64(message.commit);
      writer.u32(message.entries.length);
      for (const entry of message.entries) {
        writer.u64(entry.term);
        writeEntryBody(writer, entry);
      }
      return;
    case 'appendAccepted':
      return writer.u64(message.match);
    case 'appendRejected':
      writer.u64(message.rejected);
      writer.u64(message.hintIndex);
      return writer.u64(message.hintTerm);
    case 'commit':
      return writer.u64(message.commit);
    case 'propose':
      writer.u32(message.boot);
      writer.u32(message.drafts.length);
      for (const draft of message.drafts) {
        writer.u64(draft.ref);
        writeEntryBody(writer, draft);
      }
      return;
    case 'proposed':
      writer.u32(message.boot);
      writer.u64(message.ref);
      writer.u64(message.asked);
      return writeVerdict(writer, message.verdict);
    case 'confirm':
    case 'confirmed':
      return writer.u64(message.round);
    case 'readRequest':
      writer.u32(message.boot);
      return writer.u64(message.request);
    case 'readAnswer':
      writer.u32(message.boot);
      writer.u64(message.request);
      return writer.u64(message.index);
    case 'timeoutNow':
      return;
    case 'snapshotPiece':
      writeSnapshotId(writer, message.snapshot);
      writer.u64(message.offset);
      return writer.blob(message.bytes);
    case 'snapshotAnswer':
      writer.u64(message.index);
      writer.u64(message.offset);
      return writer.u8(snapshotStatuses.indexOf(message.status));
    case 'leftOut':
      writer.u64(message.index);
      return writer.u64(message.indexTerm);
  }
}

function writeSnapshotId(writer: ByteWriter, { index, term, bytes, crc }: SnapshotId): void {
  writer.u64(index);
  writer.u64(term);
  writer.u64(bytes);
  writer.u32(crc);
}

const readSnapshotId = (reader: ByteReader): SnapshotId => ({
  index: reader.u64(),
  term: reader.u64(),
  bytes: reader.u64(),
  crc: reader.u32(),
});

function writeVerdict(writer: ByteWriter, verdict: Verdict): void {
  if (verdict.status !== 'applied') return writer.u8(refusalStatuses.indexOf(verdict.status) + 1);
  writer.u8(0);
  writer.u64(verdict.index);
  writer.u64(verdict.term);
  writer.blob(verdict.result);
}

export type Decoded = Envelope | { readonly problem: string };

/** @param bytesMax larger messages are refused unread. */
export function decodeMessage(bytes: Uint8Array, bytesMax: number): Decoded {
  if (bytes.length > bytesMax) return { problem: 'tooLarge' };
  const reader = new ByteReader(bytes);
  if (reader.u8() !== version) return { problem: 'version' };
  const groupId = reader.u32();
  const type = types[reader.u8() - 1];
  if (type === undefined) return { problem: 'type' };
  const message = readFields(reader, type, reader.u64());
  if (reader.failed) return { problem: 'malformed' };
  if (reader.remaining > 0) return { problem: 'trailingBytes' };
  return { groupId, message };
}

function readFields(reader: ByteReader, type: RaftMessage['type'], term: number): RaftMessage {
  switch (type) {
    case 'voteRequest': {
      const kind = reader.u8();
      if (kind > 2) reader.fail();
      const invited = kind === 2 ? ({ invited: true } as const) : {};
      return { type, term, pre: kind === 1, ...invited, lastIndex: reader.u64(), lastTerm: reader.u64() };
    }
    case 'voteResponse':
      return { type, term, pre: reader.flag(), granted: reader.flag() };
    case 'append': {
      const prevIndex = reader.u64();
      const prevTerm = reader.u64();
      const commit = reader.u64();
      return {
        type,
        term,
        prevIndex,
        prevTerm,
        commit,
        entries: readEntries(reader, term, prevIndex, prevTerm),
      };
    }
    case 'appendAccepted':
      return { type, term, match: reader.u64() };
    case 'appendRejected':
      return { type, term, rejected: reader.u64(), hintIndex: reader.u64(), hintTerm: reader.u64() };
    case 'commit':
      return { type, term, commit: reader.u64() };
    case 'propose':
      return { type, term, boot: reader.u32(), drafts: readDrafts(reader) };
    case 'proposed': {
      const boot = reader.u32();
      const ref = reader.u64();
      return { type, term, boot, ref, asked: reader.u64(), verdict: readVerdict(reader) };
    }
    case 'confirm':
    case 'confirmed':
      return { type, term, round: reader.u64() };
    case 'readRequest':
      return { type, term, boot: reader.u32(), request: reader.u64() };
    case 'readAnswer':
      return { type, term, boot: reader.u32(), request: reader.u64(), index: reader.u64() };
    case 'timeoutNow':
      return { type, term };
    case 'snapshotPiece':
      return {
        type,
        term,
        snapshot: readSnapshotId(reader),
        offset: reader.u64(),
        bytes: reader.blob(),
      };
    case 'snapshotAnswer': {
      const index = reader.u64();
      const offset = reader.u64();
      const status = snapshotStatuses[reader.u8()];
      if (status === undefined) reader.fail();
      return { type, term, index, offset, status: status ?? 'busy' };
    }
    case 'leftOut':
      return { type, term, index: reader.u64(), indexTerm: reader.u64() };
  }
}

/** A count whose items cannot be in what is left is a lie. */
function readCount(reader: ByteReader, itemBytesMin: number): number {
  const count = reader.u32();
  if (count * itemBytesMin <= reader.remaining) return count;
  reader.fail();
  return 0;
}

// Along a log terms never decrease, and none is above the leader's.
function readEntries(
  reader: ByteReader,
  term: number,
  prevIndex: number,
  prevTerm: number,
): readonly Entry[] {
  const entries: Entry[] = [];
  let lowest = Math.max(prevTerm, 1);
  for (let left = readCount(reader, 8 + entryBodyBytesMin); left > 0 && !reader.failed; left--) {
    const entryTerm = reader.u64();
    if (entryTerm < lowest || entryTerm > term) reader.fail();
    lowest = entryTerm;
    entries.push({ index: prevIndex + entries.length + 1, term: entryTerm, ...readEntryBody(reader) });
  }
  return entries;
}

function readDrafts(reader: ByteReader): readonly ForwardedDraft[] {
  const drafts: ForwardedDraft[] = [];
  for (let left = readCount(reader, 8 + entryBodyBytesMin); left > 0 && !reader.failed; left--) {
    drafts.push({ ref: reader.u64(), ...readDraft(reader) });
  }
  return drafts;
}

function readVerdict(reader: ByteReader): Verdict {
  const code = reader.u8();
  if (code === 0)
    return { status: 'applied', index: reader.u64(), term: reader.u64(), result: reader.blob() };
  const status: RefusalStatus | undefined = refusalStatuses[code - 1];
  if (status === undefined) reader.fail();
  return { status: status ?? 'unknown' };
}
