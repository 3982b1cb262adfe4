/**
 * The errors of the disk and network ports. Every implementation (real, in memory, simulated) uses these codes, so that
 * whoever handles `DISK_FULL` in a test handles it in production.
 */
import { ClusterError, type Fault, type Retry } from './errors.ts';

interface Advice {
  readonly fault: Fault;
  readonly advice: string;
  readonly retry?: Retry;
}

const disk = {
  DISK_NOT_FOUND: {
    fault: 'environment',
    advice: 'Check the path; the folder must exist before a file in it.',
  },
  DISK_EXISTS: { fault: 'environment', advice: 'Choose another path, or remove what is there.' },
  DISK_WRONG_KIND: {
    fault: 'environment',
    advice: 'A file stands where a folder is needed, or the other way round: check the path.',
  },
  DISK_FULL: {
    fault: 'environment',
    advice: 'Free space on the volume (or raise its quota), then restart the node.',
  },
  DISK_PERMISSION: {
    fault: 'environment',
    advice: 'Give the user of this process read and write access to it.',
  },
  DISK_TOO_MANY_FILES: {
    fault: 'environment',
    advice: 'Raise the limit of open files (ulimit -n) of this process.',
  },
  DISK_PATH_OUTSIDE: { fault: 'caller', advice: 'Give a path inside the data folder, relative to it.' },
  DISK_LOCKED: {
    fault: 'environment',
    advice: 'Stop the process that holds it, or give this one a folder of its own.',
    retry: 'safe',
  },
  DISK_CLOSED: { fault: 'caller', advice: 'Open the file again before using it.' },
  DISK_IO: {
    fault: 'environment',
    advice:
      'Check the health of the volume; what was being written may be lost, so restart the node from its log.',
    retry: 'unsafe',
  },
} as const satisfies Record<string, Advice>;

const network = {
  NET_ADDRESS_IN_USE: {
    fault: 'environment',
    advice: 'Stop what uses the port, or choose another (0 asks for a free one).',
  },
  NET_ADDRESS_NOT_AVAILABLE: {
    fault: 'environment',
    advice: 'Bind to an address of this machine, or to a wildcard (0.0.0.0 or ::).',
  },
  NET_ADDRESS_INVALID: {
    fault: 'caller',
    advice: 'Give an IPv4 or IPv6 address and a port of 0 to 65535; resolve host names first.',
  },
  NET_FAMILY_MISMATCH: {
    fault: 'caller',
    advice: 'Reach IPv6 from a socket bound to an IPv6 address (:: serves both families).',
  },
  NET_PERMISSION: {
    fault: 'environment',
    advice: 'Use a port of 1024 or above, and allow it in the firewall.',
  },
  NET_REFUSED: { fault: 'environment', advice: 'Check that the peer runs and listens on that port.' },
  NET_RESET: {
    fault: 'environment',
    advice: 'The peer has gone or closed the connection: connect again.',
    retry: 'unsafe',
  },
  NET_TIMEOUT: {
    fault: 'environment',
    advice: 'Check that the peer is reachable, or allow more time.',
    retry: 'unsafe',
  },
  NET_UNREACHABLE: {
    fault: 'environment',
    advice: 'Check the route, the firewall and the interface of this machine.',
  },
  NET_NAME_NOT_FOUND: {
    fault: 'environment',
    advice: 'Check the spelling of the host name and the name server.',
  },
  NET_DATAGRAM_TOO_LARGE: {
    fault: 'caller',
    advice: 'Send less than the path allows (65,507 bytes over IPv4 at the very most).',
  },
  NET_TOO_MANY_FILES: {
    fault: 'environment',
    advice: 'Raise the limit of open files (ulimit -n) of this process.',
  },
  NET_CLOSED: { fault: 'caller', advice: 'Open the socket again before using it.' },
  NET_IO: { fault: 'environment', advice: 'Check the network of this machine.', retry: 'unsafe' },
} as const satisfies Record<string, Advice>;

export type DiskErrorCode = keyof typeof disk;
export type NetworkErrorCode = keyof typeof network;

const make = (
  code: string,
  { fault, advice, retry }: Advice,
  message: string,
  cause: unknown,
): ClusterError =>
  new ClusterError({ code, fault, message, advice, cause, ...(retry === undefined ? {} : { retry }) });

/** @param message what happened, in one line, naming the path. */
export function diskError(code: DiskErrorCode, message: string, cause?: unknown): ClusterError {
  return make(code, disk[code], message, cause);
}

/** @param message what happened, in one line, naming the address. */
export function networkError(code: NetworkErrorCode, message: string, cause?: unknown): ClusterError {
  return make(code, network[code], message, cause);
}

/** `host:port`, with an IPv6 host in brackets. */
export function formatAddress({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
