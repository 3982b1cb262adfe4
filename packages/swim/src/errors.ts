/** The errors of membership, one function for each code. */
import { type Address, ClusterError, formatAddress } from '@cluster/core';
import type { SeedFailure } from './core/effects.ts';

/** Failures of a single seed that are not those of the network port. */
export const seedFailureCode = {
  keyMismatch: 'SWIM_KEY_MISMATCH',
  labelMismatch: 'SWIM_LABEL_MISMATCH',
  closed: 'SWIM_STREAM_CLOSED',
  refused: 'SWIM_PEER_REFUSED',
  unreadable: 'SWIM_STREAM_UNREADABLE',
  timeout: 'SWIM_STREAM_TIMEOUT',
  busy: 'SWIM_STREAMS_BUSY',
  network: 'SWIM_ADDRESS_NOT_ALLOWED',
  vetoed: 'SWIM_MERGE_VETOED',
} as const;

const describeFailures = (failures: readonly SeedFailure[]): string =>
  failures.map(({ seed, reason }) => `${formatAddress(seed)}: ${reason.replace(/\.$/, '')}`).join('; ');

/** None of the seeds took us in. */
export function joinFailed(failures: readonly SeedFailure[]): ClusterError {
  const codes = new Set(failures.map(({ code }) => code));
  const list = describeFailures(failures);
  if (codes.has(seedFailureCode.keyMismatch)) {
    return new ClusterError({
      code: 'SWIM_KEY_MISMATCH',
      fault: 'caller',
      message: `No seed could be joined: ${list}.`,
      advice: 'The gossip key is probably wrong: give gossipKeys the same key on every node, or on none.',
    });
  }
  if (codes.has(seedFailureCode.labelMismatch)) {
    return new ClusterError({
      code: 'SWIM_LABEL_MISMATCH',
      fault: 'caller',
      message: `No seed could be joined: ${list}.`,
      advice:
        'A seed belongs to another cluster: give the same cluster name (label) on every node, or other seeds.',
    });
  }
  const maybeKey = codes.has(seedFailureCode.closed)
    ? ' A seed that hangs up without an answer probably has another gossip key or label.'
    : '';
  return new ClusterError({
    code: 'SWIM_JOIN_FAILED',
    fault: 'environment',
    message: `No seed could be joined: ${list}.`,
    advice: `Check that at least one of them runs and can be reached over TCP and UDP at this address.${maybeKey}`,
  });
}

export const joinAborted = (): ClusterError =>
  new ClusterError({
    code: 'SWIM_JOIN_ABORTED',
    fault: 'caller',
    message: 'The join was given up before every seed had answered.',
    advice: 'Members learned so far are kept; join again when it is wanted.',
    stateChanged: true,
    retry: 'safe',
  });

export const joinBusy = (): ClusterError =>
  new ClusterError({
    code: 'SWIM_JOIN_BUSY',
    fault: 'caller',
    message: 'A join is under way already.',
    advice: 'Wait for the one that runs, or give all seeds to one call.',
    retry: 'safe',
  });

export const hasLeft = (): ClusterError =>
  new ClusterError({
    code: 'SWIM_LEFT',
    fault: 'caller',
    message: 'This member has left the pool, or is about to.',
    advice: 'Stop it, and start a new one: it may have the same name, data folder and address.',
  });

export const tooManySeeds = (count: number, max: number): ClusterError =>
  new ClusterError({
    code: 'SWIM_SEEDS_INVALID',
    fault: 'caller',
    message:
      count === 0 ? 'There is no seed to join.' : `${count} seeds are more than seedsMax allows (${max}).`,
    advice: 'Give a few addresses of members that are usually up.',
  });

export const notRunning = (): ClusterError =>
  new ClusterError({
    code: 'SWIM_NOT_RUNNING',
    fault: 'caller',
    message: 'This member is not running.',
    advice: 'Start it first; a member that has left or stopped cannot be used again.',
  });

export const stopped = (): ClusterError =>
  new ClusterError({
    code: 'SWIM_STOPPED',
    fault: 'caller',
    message: 'This member was stopped meanwhile.',
    advice: 'Start a new one.',
    stateChanged: true,
  });

export const leaveAborted = (): ClusterError =>
  new ClusterError({
    code: 'SWIM_LEAVE_ABORTED',
    fault: 'caller',
    message: 'Waiting for the leave to spread was given up.',
    advice: 'It goes on by itself; stop the member when it need not.',
    stateChanged: true,
  });

export const tagsTooLarge = (bytes: number, max: number): ClusterError =>
  new ClusterError({
    code: 'SWIM_TAGS_TOO_LARGE',
    fault: 'caller',
    message: `The tags take ${bytes} bytes encoded, more than ${max}.`,
    advice: 'Shorten them: tags travel with every packet about this member.',
  });

export const tagReserved = (tag: string): ClusterError =>
  new ClusterError({
    code: 'SWIM_TAG_RESERVED',
    fault: 'caller',
    message: `The tag ${tag} is set by this member itself.`,
    advice: 'Use another name; the tag says that the member exchanges metadata.',
  });

export const cipherMissing = (): ClusterError =>
  new ClusterError({
    code: 'SWIM_CIPHER_MISSING',
    fault: 'caller',
    message: 'The configuration has gossip keys, but there is no cipher to use them.',
    advice: 'Start through @cluster/swim/node, or give a PacketCipher made from the keys.',
  });

/** @param why what is wrong with it, without showing it. */
export const keyInvalid = (index: number, why: string): ClusterError =>
  new ClusterError({
    code: 'SWIM_KEY_INVALID',
    fault: 'caller',
    message: `Gossip key ${index + 1} ${why}.`,
    advice: 'Give 16, 24 or 32 random bytes in base64, for example from `openssl rand -base64 32`.',
  });

export const portInUse = (address: Address, cause: ClusterError): ClusterError =>
  new ClusterError({
    code: 'SWIM_PORT_IN_USE',
    fault: 'environment',
    message: `The gossip address ${formatAddress(address)} is in use.`,
    advice: 'Stop the other process, or bind to another port (0 takes a free one).',
    cause,
  });

/** @param cause what is wrong in it, where it could be read at all. */
export const fileDamaged = (path: string, cause?: unknown): ClusterError =>
  new ClusterError({
    code: 'SWIM_FILE_DAMAGED',
    fault: 'environment',
    message: `The file ${path} does not hold what was written to it.`,
    advice: 'It is passed over, and replaced with the next change.',
    cause,
  });

export const keysNotStored = (cause: ClusterError): ClusterError =>
  new ClusterError({
    code: 'SWIM_KEYS_NOT_STORED',
    fault: 'environment',
    message: 'The gossip key was changed, but the keys could not be stored.',
    advice:
      'It is in force until the next start: mend the disk and repeat the change, or configure gossipKeys anew.',
    stateChanged: true,
    retry: 'safe',
    cause,
  });

export const nameLost = (name: string): ClusterError =>
  new ClusterError({
    code: 'SWIM_NAME_LOST',
    fault: 'caller',
    message: `Another member bears the name ${name}, and most of the pool knows it there: this one has stopped.`,
    advice:
      'Give each member a name of its own. A member that has moved can come back once the pool has forgotten where it was.',
  });

export const incarnationDamaged = (path: string): ClusterError =>
  new ClusterError({
    code: 'SWIM_INCARNATION_DAMAGED',
    fault: 'environment',
    message: `The file ${path} does not hold an incarnation.`,
    advice: 'Remove it: the member then starts at 1 and refutes what is left of its former life.',
  });

export const tooLargeToSpread = (
  code: 'SWIM_EVENT_TOO_LARGE' | 'SWIM_QUERY_TOO_LARGE' | 'SWIM_MESSAGE_TOO_LARGE',
  bytes: number,
  max: number,
): ClusterError =>
  new ClusterError({
    code,
    fault: 'caller',
    message: `What is to be spread takes ${bytes} bytes, more than ${max}.`,
    advice: 'Gossip is for short notices: send a reference, and fetch the content over the transport.',
  });

export const metadataTooLarge = (what: string, bytes: number, max: number): ClusterError =>
  new ClusterError({
    code: 'SWIM_METADATA_TOO_LARGE',
    fault: 'caller',
    message: `The ${what} would take ${bytes} bytes, more than ${max}.`,
    advice:
      'Every member holds the metadata of all: keep references in it, or raise the bound on every member.',
  });

export const metadataOff = (): ClusterError =>
  new ClusterError({
    code: 'SWIM_METADATA_OFF',
    fault: 'caller',
    message: 'This member exchanges no metadata.',
    advice: 'Leave metadata.enabled on, and give no delegate of your own.',
  });

export const queriesBusy = (max: number): ClusterError =>
  new ClusterError({
    code: 'SWIM_QUERIES_BUSY',
    fault: 'caller',
    message: `${max} queries are open already.`,
    advice: 'Wait for one to end, give it a shorter timeoutMs, or raise serf.queriesMax.',
    retry: 'safe',
  });

export const serfOff = (): ClusterError =>
  new ClusterError({
    code: 'SWIM_SERF_OFF',
    fault: 'caller',
    message: 'Events and queries need the Serf layer, which is off here.',
    advice: 'Leave serf.enabled on, and give no delegate of your own.',
  });

export const delegateMissing = (): ClusterError =>
  new ClusterError({
    code: 'SWIM_DELEGATE_MISSING',
    fault: 'caller',
    message: 'Messages of the application need a delegate at every member, in the place of the Serf layer.',
    advice: 'Use sendEvent and query, or give a delegate.',
  });

export const keyRefused = (reason: string): ClusterError =>
  new ClusterError({
    code: 'SWIM_KEY_REFUSED',
    fault: 'caller',
    message: `The gossip key was not changed: ${reason}.`,
    advice: 'Install a key of 16, 24 or 32 bytes before it is used, and use another before one is removed.',
  });
