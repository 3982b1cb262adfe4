/** What the operating system says, in the codes of the ports. */
import type { ClusterError } from '../errors.ts';
import { type DiskErrorCode, diskError, type NetworkErrorCode, networkError } from '../port-errors.ts';

const disk: Readonly<Record<string, DiskErrorCode>> = {
  ENOENT: 'DISK_NOT_FOUND',
  EEXIST: 'DISK_EXISTS',
  ENOTDIR: 'DISK_WRONG_KIND',
  EISDIR: 'DISK_WRONG_KIND',
  ENOSPC: 'DISK_FULL',
  EDQUOT: 'DISK_FULL',
  EACCES: 'DISK_PERMISSION',
  EPERM: 'DISK_PERMISSION',
  EROFS: 'DISK_PERMISSION',
  EMFILE: 'DISK_TOO_MANY_FILES',
  ENFILE: 'DISK_TOO_MANY_FILES',
  EBADF: 'DISK_CLOSED',
};

const network: Readonly<Record<string, NetworkErrorCode>> = {
  EADDRINUSE: 'NET_ADDRESS_IN_USE',
  EADDRNOTAVAIL: 'NET_ADDRESS_NOT_AVAILABLE',
  ERR_SOCKET_BAD_PORT: 'NET_ADDRESS_INVALID',
  EAFNOSUPPORT: 'NET_FAMILY_MISMATCH',
  EINVAL: 'NET_ADDRESS_INVALID',
  EACCES: 'NET_PERMISSION',
  EPERM: 'NET_PERMISSION',
  ECONNREFUSED: 'NET_REFUSED',
  ECONNRESET: 'NET_RESET',
  ECONNABORTED: 'NET_RESET',
  EPIPE: 'NET_RESET',
  ERR_STREAM_WRITE_AFTER_END: 'NET_CLOSED',
  ERR_STREAM_DESTROYED: 'NET_CLOSED',
  ERR_SOCKET_DGRAM_NOT_RUNNING: 'NET_CLOSED',
  ETIMEDOUT: 'NET_TIMEOUT',
  ENETUNREACH: 'NET_UNREACHABLE',
  EHOSTUNREACH: 'NET_UNREACHABLE',
  ENETDOWN: 'NET_UNREACHABLE',
  EHOSTDOWN: 'NET_UNREACHABLE',
  ENOTFOUND: 'NET_NAME_NOT_FOUND',
  EAI_AGAIN: 'NET_NAME_NOT_FOUND',
  EMSGSIZE: 'NET_DATAGRAM_TOO_LARGE',
  EMFILE: 'NET_TOO_MANY_FILES',
  ENFILE: 'NET_TOO_MANY_FILES',
};

const codeOf = (failure: unknown): string => String((failure as { code?: unknown } | null)?.code ?? failure);

/** @param what the failed attempt, e.g. `Cannot open the file wal/0001`. */
export function fromDiskFailure(failure: unknown, what: string): ClusterError {
  const code = codeOf(failure);
  return diskError(disk[code] ?? 'DISK_IO', `${what} (${code}).`, failure);
}

/** @param what the failed attempt, e.g. `Cannot listen on 127.0.0.1:7000`. */
export function fromNetworkFailure(failure: unknown, what: string): ClusterError {
  const code = codeOf(failure);
  return networkError(network[code] ?? 'NET_IO', `${what} (${code}).`, failure);
}
