/**
 * Plain data: what inputs, effects, contexts and checkpoints are made of — JSON's values, and bytes, bigints, undefined,
 * Map, Set and ClusterError. Kept to one place so that traces, checkpoints and differences agree on what a value is, and so
 * that nothing is lost on the way: a replay compares what it does with what was written.
 */
import { fromBase64, toBase64 } from './base64.ts';
import { ClusterError, type ClusterErrorOptions } from './errors.ts';

/** Writes what JSON lacks as `{ "$tag": … }`. A user's object that looks like one is escaped with `$plain`. */
const tags: Readonly<Record<string, (inner: unknown) => unknown>> = {
  $bytes: (inner) => fromBase64(inner as string),
  $bigint: (inner) => BigInt(inner as string),
  $number: Number,
  $undefined: () => undefined,
  $map: (inner) =>
    new Map((inner as [unknown, unknown][]).map(([key, value]) => [decode(key), decode(value)])),
  $set: (inner) => new Set((inner as unknown[]).map(decode)),
  $error: (inner) => new ClusterError(decodeFields(inner as object) as ClusterErrorOptions),
  $plain: (inner) => decodeFields(inner as object),
};

function encode(value: unknown): unknown {
  if (typeof value === 'bigint') return { $bigint: value.toString() };
  if (typeof value === 'undefined') return { $undefined: 0 };
  if (Object.is(value, -0)) return { $number: '-0' };
  if (typeof value === 'number' && !Number.isFinite(value)) return { $number: String(value) };
  return typeof value === 'object' && value !== null ? encodeObject(value) : value;
}

function encodeObject(value: object): unknown {
  if (Array.isArray(value)) return value.map(encode);
  if (value instanceof Uint8Array) return { $bytes: toBase64(value) };
  if (value instanceof Map) return { $map: [...value].map(([key, inner]) => [encode(key), encode(inner)]) };
  if (value instanceof Set) return { $set: [...value].map(encode) };
  if (ClusterError.is(value)) return { $error: encodeFields(errorFields(value)) };
  const encoded = encodeFields(value);
  const keys = Object.keys(encoded);
  return keys.length === 1 && Object.hasOwn(tags, keys[0] as string) ? { $plain: encoded } : encoded;
}

const encodeFields = (value: object): object =>
  Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, encode(inner)]));

// Without the cause: it may hold anything, and a decision never depends on it.
const errorFields = ({
  code,
  fault,
  message,
  advice,
  stateChanged,
  retry,
}: ClusterError): ClusterErrorOptions => ({
  code,
  fault,
  message,
  advice,
  stateChanged,
  retry,
});

function decode(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(decode);
  const keys = Object.keys(value);
  const [tag = ''] = keys;
  if (keys.length === 1 && Object.hasOwn(tags, tag))
    return tags[tag]?.((value as Record<string, unknown>)[tag]);
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

/** Deep equality of plain data; maps and sets compare in their order, which a replay reproduces. */
export function plainEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    if (!(a instanceof Uint8Array && b instanceof Uint8Array) || a.length !== b.length) return false;
    return a.every((byte, i) => byte === b[i]);
  }
  if (a instanceof Map || b instanceof Map)
    return a instanceof Map && b instanceof Map && plainEqual([...a], [...b]);
  if (a instanceof Set || b instanceof Set)
    return a instanceof Set && b instanceof Set && plainEqual([...a], [...b]);
  if (ClusterError.is(a) || ClusterError.is(b)) {
    return ClusterError.is(a) && ClusterError.is(b) && plainEqual(errorFields(a), errorFields(b));
  }
  const [keysA, keysB] = [Object.keys(a), Object.keys(b)];
  if (Array.isArray(a) !== Array.isArray(b) || keysA.length !== keysB.length) return false;
  return keysA.every((key) => Object.hasOwn(b, key) && plainEqual((a as never)[key], (b as never)[key]));
}

/** The top-level keys whose value differs, with the new value (`undefined` for a key that went away). */
export function plainDifference(before: object, after: object): Record<string, unknown> {
  const changed = Object.entries(after).filter(
    ([key, value]) =>
      !Object.hasOwn(before, key) || !plainEqual((before as Record<string, unknown>)[key], value),
  );
  const gone = Object.keys(before).filter((key) => !Object.hasOwn(after, key));
  return Object.fromEntries([...changed, ...gone.map((key) => [key, undefined] as const)]);
}
