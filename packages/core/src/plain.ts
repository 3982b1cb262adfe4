/**
 * Plain data: what inputs, effects, contexts and checkpoints are made of — JSON's values plus bytes, bigints and undefined
 * fields (dropped). Kept to one place so that traces, checkpoints and differences agree on what a value is.
 */

// Tags for what JSON lacks. A user's object with a single key of this name would be misread, so such keys are escaped.
const bytesTag = '$bytes';
const bigintTag = '$bigint';
const numberTag = '$number';
const escapeTag = '$plain';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const codes = new Uint8Array(128).fill(255);
for (let i = 0; i < 64; i++) codes[alphabet.charCodeAt(i)] = i;

/** RFC 4648 base64, without a platform API so that a browser and a core may use it. */
export function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const [a, b, c] = [bytes[i] as number, bytes[i + 1], bytes[i + 2]];
    text += alphabet.charAt(a >> 2) + alphabet.charAt(((a & 3) << 4) | ((b ?? 0) >> 4));
    text += b === undefined ? '=' : alphabet.charAt(((b & 15) << 2) | ((c ?? 0) >> 6));
    text += c === undefined ? '=' : alphabet.charAt(c & 63);
  }
  return text;
}

export function fromBase64(text: string): Uint8Array {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  for (let i = 0, at = 0; i < text.length; i += 4) {
    const quad = [0, 1, 2, 3].map((k) => codes[text.charCodeAt(i + k)] ?? 0) as [
      number,
      number,
      number,
      number,
    ];
    const word = (quad[0] << 18) | (quad[1] << 12) | ((quad[2] & 63) << 6) | (quad[3] & 63);
    if (at < bytes.length) bytes[at++] = word >> 16;
    if (at < bytes.length) bytes[at++] = (word >> 8) & 255;
    if (at < bytes.length) bytes[at++] = word & 255;
  }
  return bytes;
}

const isTag = (key: string): boolean =>
  key === bytesTag || key === bigintTag || key === numberTag || key === escapeTag;

function encode(value: unknown): unknown {
  if (typeof value === 'bigint') return { [bigintTag]: value.toString() };
  if (typeof value === 'number' && !Number.isFinite(value)) return { [numberTag]: String(value) };
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return { [bytesTag]: toBase64(value) };
  if (Array.isArray(value)) return value.map(encode);
  const entries = Object.entries(value).map(([key, inner]) => [key, encode(inner)] as const);
  const encoded = Object.fromEntries(entries);
  return entries.length === 1 && isTag(entries[0]?.[0] ?? '') ? { [escapeTag]: encoded } : encoded;
}

function decode(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(decode);
  const entries = Object.entries(value);
  const [first] = entries;
  if (entries.length === 1 && first !== undefined) {
    const [tag, inner] = first as [string, unknown];
    if (tag === bytesTag) return fromBase64(inner as string);
    if (tag === bigintTag) return BigInt(inner as string);
    if (tag === numberTag) return Number(inner);
    if (tag === escapeTag) return decodeFields(inner as object);
  }
  return decodeFields(value);
}

const decodeFields = (value: object): object =>
  Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, decode(inner)]));

/** One line of JSON; the inverse of {@link parsePlain}. */
export function stringifyPlain(value: unknown): string {
  return JSON.stringify(encode(value));
}

export function parsePlain(text: string): unknown {
  return decode(JSON.parse(text));
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A checkpoint's bytes. */
export function packPlain(value: unknown): Uint8Array {
  return encoder.encode(stringifyPlain(value));
}

export function unpackPlain(bytes: Uint8Array): unknown {
  return parsePlain(decoder.decode(bytes));
}

/** Deep equality of plain data. */
export function plainEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    if (!(a instanceof Uint8Array && b instanceof Uint8Array) || a.length !== b.length) return false;
    return a.every((byte, i) => byte === b[i]);
  }
  const [keysA, keysB] = [Object.keys(a), Object.keys(b)];
  if (Array.isArray(a) !== Array.isArray(b) || keysA.length !== keysB.length) return false;
  return keysA.every((key) => key in b && plainEqual((a as never)[key], (b as never)[key]));
}

/** The top-level keys whose value differs, with the new value (`undefined` for a key that went away). */
export function plainDifference(before: object, after: object): Record<string, unknown> {
  const difference: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(after)) {
    if (!plainEqual((before as Record<string, unknown>)[key], value)) difference[key] = value;
  }
  for (const key of Object.keys(before)) if (!(key in after)) difference[key] = undefined;
  return difference;
}
