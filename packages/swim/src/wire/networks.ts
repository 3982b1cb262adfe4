/** Networks in CIDR form (`10.0.0.0/8`, `fd00::/8`): which addresses members may have. */
import { hostBytes } from './addresses.ts';

export interface Network {
  /** 4 or 16. An IPv4 address that is written in 16 counts as IPv4. */
  readonly bytes: Uint8Array;
  readonly prefixBits: number;
}

const mappedPrefixBytes = 12;

/** Undefined for what is no network: no IP address, or a prefix longer than it. */
export function parseNetwork(text: string): Network | undefined {
  const match = /^([^/%]+)\/(\d{1,3})$/.exec(text);
  const bytes = hostBytes(match?.[1] ?? '');
  const prefixBits = Number(match?.[2]);
  if (bytes === undefined || prefixBits > bytes.length * 8) return undefined;
  const plain = unmapped(bytes);
  const dropped = (bytes.length - plain.length) * 8;
  // A prefix within the mapping's own bits means every IPv6 address below it, which no IPv4 address is.
  return prefixBits < dropped ? { bytes, prefixBits } : { bytes: plain, prefixBits: prefixBits - dropped };
}

/** False for a host name: what is not an IP address is in no network. */
export function isWithin(host: string, networks: readonly Network[]): boolean {
  const found = hostBytes(host);
  if (found === undefined) return false;
  const bytes = unmapped(found);
  return networks.some((network) => bytes.length === network.bytes.length && shares(bytes, network));
}

function shares(bytes: Uint8Array, network: Network): boolean {
  const whole = network.prefixBits >> 3;
  if (!bytes.subarray(0, whole).every((byte, i) => byte === network.bytes[i])) return false;
  const mask = 0xff00 >> (network.prefixBits & 7);
  return (((bytes[whole] ?? 0) ^ (network.bytes[whole] ?? 0)) & mask & 0xff) === 0;
}

function unmapped(bytes: Uint8Array): Uint8Array {
  const isMapped =
    bytes.length === 16 &&
    bytes.subarray(0, 10).every((byte) => byte === 0) &&
    bytes[10] === 0xff &&
    bytes[11] === 0xff;
  return isMapped ? bytes.subarray(mappedPrefixBytes) : bytes;
}
