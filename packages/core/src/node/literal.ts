/** Addresses as sockets take them: literal, in a family. */
import { isIP } from 'node:net';
import type { ClusterError } from '../errors.ts';
import { formatAddress, networkError } from '../port-errors.ts';
import type { Address } from '../ports.ts';

/** How a socket of both families writes an IPv4 address. */
export const mappedPrefix = '::ffff:';

export const plainHost = (host: string): string =>
  host.startsWith(mappedPrefix) && isIP(host.slice(mappedPrefix.length)) === 4
    ? host.slice(mappedPrefix.length)
    : host;

/** Node itself lets a UDP socket bind to port 65,536 as to port 0, so both halves are checked here. */
export function refusal(what: string, address: Address): ClusterError | null {
  const { host, port } = address;
  const why =
    isIP(host) === 0
      ? 'the host is not an IP address'
      : Number.isInteger(port) && port >= 0 && port <= 65_535
        ? null
        : 'there is no such port';
  return why === null
    ? null
    : networkError('NET_ADDRESS_INVALID', `Cannot ${what} ${formatAddress(address)}: ${why}.`);
}
