/** IP addresses between text and the 4 or 16 bytes of the wire, and `host:port` as people write it. */
import { type Address, ClusterError } from '@cluster/core';
import { Memo } from './memo.ts';
import { WireError } from './wire-error.ts';

/** A host of the wire, and the last address that was read there: most hosts have one member. */
interface Place {
  readonly host: string;
  last: Address | null;
}

/** The text of an address; the form (4 or 16 bytes) survives the round trip, because peers compare bytes. */
export const hostOf = (bytes: Uint8Array): string => places.of(bytes, readPlace).host;

/** One and the same for equal ones, most often: it is kept for every member by every member. */
export function addressOf(bytes: Uint8Array, port: number): Address {
  const place = places.of(bytes, readPlace);
  if (place.last === null || place.last.port !== port) place.last = { host: place.host, port };
  return place.last;
}

const places = new Memo<Place>(16_384);
const readPlace = (bytes: Uint8Array): Place => ({ host: textOfHost(bytes), last: null });

function textOfHost(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) throw new WireError('address');
  if (bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff)
    return `::ffff:${bytes.subarray(12).join('.')}`;
  const groups = Array.from(
    { length: 8 },
    (_, i) => ((bytes[2 * i] as number) << 8) | (bytes[2 * i + 1] as number),
  );
  const run = longestZeroRun(groups);
  const text = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':');
  return run.length < 2 ? text(0, 8) : `${text(0, run.start)}::${text(run.start + run.length, 8)}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let length = 0;
  for (const [i, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0;
    if (length > best.length) best = { start: i - length + 1, length };
  }
  return best;
}

/** The bytes of an IP address in text; undefined for a host name. */
export function hostBytes(host: string): Uint8Array | undefined {
  return host.includes(':') ? ipv6Bytes(host) : ipv4Bytes(host);
}

function ipv4Bytes(host: string): Uint8Array | undefined {
  const parts = host.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256))
    return undefined;
  return Uint8Array.from(parts, Number);
}

function ipv6Bytes(host: string): Uint8Array | undefined {
  let text = host.split('%')[0] ?? '';
  const mapped = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (mapped) {
    const tail = ipv4Bytes(mapped[2] ?? '');
    if (tail === undefined) return undefined;
    const [a, b, c, d] = tail as unknown as [number, number, number, number];
    text = `${mapped[1] ?? ''}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  }
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const groupsOf = (half: string | undefined): string[] => (half ? half.split(':') : []);
  const [head, tail] = [groupsOf(halves[0]), groupsOf(halves[1])];
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...Array<string>(missing).fill('0'), ...tail];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return Uint8Array.from(groups.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]));
}

/** What a socket takes: an IPv4 address that arrived in 16 bytes is dialled as IPv4. */
export const dialable = (address: Address): Address =>
  address.host.startsWith('::ffff:') && address.host.includes('.')
    ? { host: address.host.slice('::ffff:'.length), port: address.port }
    : address;

/**
 * Reads `10.0.0.1:7000`, `db.internal:7000` or `[::1]:7000`.
 * @throws ClusterError `SWIM_SEED_INVALID`.
 */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text.trim());
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3] ?? 0);
  const isBracketed = match?.[1] !== undefined;
  if (host === '' || port < 1 || port > 65_535 || (isBracketed && hostBytes(host) === undefined)) {
    throw new ClusterError({
      code: 'SWIM_SEED_INVALID',
      fault: 'caller',
      message: `"${text}" is not an address.`,
      advice: 'Write host:port, for example 10.0.0.1:7000, db.internal:7000 or [::1]:7000.',
    });
  }
  return { host, port };
}
