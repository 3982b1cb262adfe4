/** What the nodes of the world say to each other: bytes that tell who sent them as the how-manieth, and whether they came whole. */
import { assert } from '@cluster/core';

export const headBytes = 24;

export interface Said {
  /** Unique in the world. */
  readonly id: number;
  /** Index of the sender, and which of its processes. */
  readonly from: number;
  readonly boot: number;
  readonly priority: number;
  /** Counts the messages of this process to this peer in this priority, from 1. */
  readonly turn: number;
  /** Bytes of the answer that is asked for. */
  readonly answerBytes: number;
}

/** @param length of the whole, at least {@link headBytes}. */
export function write({ id, from, boot, priority, turn, answerBytes }: Said, length: number): Uint8Array {
  assert(length >= headBytes, 'a message has room for its head');
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, id);
  view.setUint8(4, from);
  view.setUint8(5, priority);
  view.setUint16(6, boot);
  view.setUint32(8, turn);
  view.setUint32(12, answerBytes);
  view.setUint32(16, length);
  fill(bytes, id);
  return bytes;
}

/** Null when the bytes are not what was written. */
export function read(bytes: Uint8Array): Said | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < headBytes || view.getUint32(16) !== bytes.length) return null;
  const id = view.getUint32(0);
  if (!isFilled(bytes, id)) return null;
  return {
    id,
    from: view.getUint8(4),
    priority: view.getUint8(5),
    boot: view.getUint16(6),
    turn: view.getUint32(8),
    answerBytes: view.getUint32(12),
  };
}

/** An answer that names its question. */
export function answerTo(id: number, length: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(headBytes, length));
  new DataView(bytes.buffer).setUint32(0, id);
  fill(bytes, id);
  return bytes;
}

export const isAnswerTo = (bytes: Uint8Array, id: number): boolean =>
  bytes.length >= headBytes &&
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) === id &&
  isFilled(bytes, id);

// Every so many bytes, and the last: a piece that is missing or out of place shows.
const stride = 61;

function fill(bytes: Uint8Array, id: number): void {
  for (let at = headBytes; at < bytes.length; at += stride) bytes[at] = mark(id, at);
  if (bytes.length > headBytes) bytes[bytes.length - 1] = mark(id, bytes.length - 1);
}

function isFilled(bytes: Uint8Array, id: number): boolean {
  for (let at = headBytes; at < bytes.length - 1; at += stride) if (bytes[at] !== mark(id, at)) return false;
  return bytes.length === headBytes || bytes[bytes.length - 1] === mark(id, bytes.length - 1);
}

const mark = (id: number, at: number): number => (id * 31 + at * 7 + (at >>> 8)) & 255;
