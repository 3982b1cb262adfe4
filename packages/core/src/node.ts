/** @packageDocumentation The ports on Node: clocks, entropy, UDP, TCP, a disk folder, a line logger. */
export { makeSystemClock, systemClock, type SystemClockOptions, systemWallClock } from './node/clock.ts';
export { udpDatagrams } from './node/datagrams.ts';
export { fileDisk } from './node/disk.ts';
export { type FolderLock, type FolderLockOptions, lockFolder } from './node/folder-lock.ts';
export { lineLogger, type LineLoggerOptions } from './node/logger.ts';
export { systemRandom } from './node/random.ts';
export { resolveAddress } from './node/resolve.ts';
export { tcpStreams } from './node/streams.ts';
export { fromDiskFailure, fromNetworkFailure } from './node/system-error.ts';
