/** The errors of this package. Codes are stable. */
import { ClusterError, describeError } from '@cluster/core';

/** Where damage was found, for a person with a backup and a hex editor. */
export function logDamaged(path: string, offset: number, problem: string): ClusterError {
  return new ClusterError({
    code: 'RAFT_LOG_DAMAGED',
    fault: 'environment',
    message: `The log is damaged in ${path} at offset ${offset}: ${problem}.`,
    advice:
      'Entries this node has acknowledged may be gone, so it does not start. Restore the file from a sound copy, or replace the node by one with a new name and an empty data folder. `cluster wal <dataDir>`, or inspectLog, shows what is sound; with --cut, or cutLog, that alone is kept.',
    retry: 'useless',
  });
}

/** A snapshot that is not what was written; its file is named where it is this node's own. */
export const snapshotDamaged = (what: string, problem: string): ClusterError =>
  new ClusterError({
    code: 'RAFT_SNAPSHOT_DAMAGED',
    fault: 'environment',
    message: `The snapshot ${what} is damaged: ${problem}.`,
    advice:
      'The log before it is gone, so this node cannot start from it. Restore the file from a sound copy, or replace the node by one with a new name and an empty data folder.',
    retry: 'useless',
  });

export const isSnapshotDamaged = (error: unknown): boolean =>
  ClusterError.is(error) && error.code === 'RAFT_SNAPSHOT_DAMAGED';

/** Whether it was the snapshot itself, the disk, or the state machine that was to take it over. */
export function snapshotError(groupId: number, error: unknown): ClusterError {
  if (ClusterError.is(error) && error.code === 'RAFT_SNAPSHOT_DAMAGED') return error;
  const isDisk = ClusterError.is(error) && error.code.startsWith('DISK_');
  return isDisk ? storageFailed('The snapshot cannot be read', error) : stateMachineFailed(groupId, error);
}

/** @param reason why none was taken. */
export const snapshotNotTaken = (groupId: number, reason: string): ClusterError =>
  new ClusterError({
    code: 'RAFT_SNAPSHOT_FAILED',
    fault: 'environment',
    message: `No snapshot of group ${groupId} was taken: ${reason}`,
    advice: 'The log goes on, and grows until one succeeds; mend the cause, then ask again.',
    retry: 'safe',
  });

export const snapshotsNotSupported = (): ClusterError =>
  new ClusterError({
    code: 'RAFT_SNAPSHOTS_NOT_SUPPORTED',
    fault: 'caller',
    message:
      'This replica takes no snapshots: its state machine gives no images, or there is no place for them.',
    advice: 'Give the state machine `images`, and the replica `snapshots`.',
  });

export const snapshotMissing = (groupId: number, index: number, appliedIndex: number): ClusterError =>
  new ClusterError({
    code: 'RAFT_SNAPSHOT_MISSING',
    fault: 'environment',
    message: `The log of group ${groupId} begins behind index ${index}, and no snapshot covers what was before; the state machine has applied ${appliedIndex}.`,
    advice:
      'Log, snapshots and state machine are not of the same age: restore them from one backup, or replace the node by one with a new name and an empty data folder.',
    retry: 'useless',
  });

export function storageFailed(what: string, cause: unknown): ClusterError {
  return new ClusterError({
    code: 'RAFT_STORAGE_FAILED',
    fault: 'environment',
    message: `${what}: ${describeError(cause)}`,
    advice: 'This replica has stopped and acknowledges nothing; mend the disk, then restart it from its log.',
    stateChanged: true,
    retry: 'unsafe',
    cause,
  });
}

/** The data folder could not be taken for this replica alone. */
export function dataNotTaken(cause: unknown): ClusterError {
  if (!ClusterError.is(cause) || cause.code !== 'DISK_LOCKED')
    return storageFailed('The data folder cannot be used', cause);
  return new ClusterError({
    code: 'RAFT_DATA_LOCKED',
    fault: 'environment',
    message: cause.message,
    advice: 'Stop the process that holds it, or give this replica a dataDir of its own.',
    retry: 'safe',
    cause,
  });
}

export const storageClosed = (): ClusterError =>
  new ClusterError({
    code: 'RAFT_STORAGE_CLOSED',
    fault: 'caller',
    message: 'The log has been closed.',
    advice: 'Stop the replicas before their log, and open it again to go on.',
  });

export const groupInUse = (groupId: number): ClusterError =>
  new ClusterError({
    code: 'RAFT_GROUP_IN_USE',
    fault: 'caller',
    message: `Group ${groupId} of this log has been recovered already.`,
    advice: 'Run one replica per group and log; open the log again to start one anew.',
  });

export const stateMachineFailed = (groupId: number, cause: unknown): ClusterError =>
  new ClusterError({
    code: 'RAFT_STATE_MACHINE_FAILED',
    fault: 'environment',
    message: `The state machine of group ${groupId} failed: ${describeError(cause)}`,
    advice:
      'This replica has stopped; mend the cause, then restart it: it goes on from what the state machine has kept.',
    stateChanged: true,
    retry: 'unsafe',
    cause,
  });

export const logBehindStateMachine = (
  groupId: number,
  appliedIndex: number,
  lastIndex: number,
): ClusterError =>
  new ClusterError({
    code: 'RAFT_LOG_BEHIND_STATE_MACHINE',
    fault: 'environment',
    message: `The state machine of group ${groupId} has applied index ${appliedIndex}, but the log ends at ${lastIndex}.`,
    advice:
      'The log and the state machine are not of the same age: restore both from one backup, or replace the node by one with a new name and an empty data folder.',
  });

export const notRunning = (groupId: number, cause?: ClusterError | null): ClusterError =>
  new ClusterError({
    code: 'RAFT_STOPPED',
    fault: cause ? 'environment' : 'caller',
    message: `This replica of group ${groupId} ${cause ? `has stopped: ${cause.message}` : 'is not running.'}`,
    advice: cause ? cause.advice : 'Start it, or send the request to a node that runs.',
    retry: 'safe',
    cause: cause ?? undefined,
  });

/** The replica stopped while the call was under way. */
export const stoppedMeanwhile = (
  groupId: number,
  retry: 'safe' | 'unsafe',
  cause?: ClusterError | null,
): ClusterError =>
  new ClusterError({
    code: 'RAFT_STOPPED',
    fault: 'environment',
    message: `The replica of group ${groupId} stopped before the answer came${cause ? `: ${cause.message}` : ''}.`,
    advice: adviceFor(retry),
    stateChanged: retry === 'unsafe',
    retry,
    cause: cause ?? undefined,
  });

export const commandTooLarge = (bytes: number, max: number): ClusterError =>
  new ClusterError({
    code: 'RAFT_COMMAND_TOO_LARGE',
    fault: 'caller',
    message: `The command has ${bytes} bytes; at most ${max} are allowed.`,
    advice: 'Split it, or raise commandBytesMax on every node.',
  });

export const sessionInvalid = (): ClusterError =>
  new ClusterError({
    code: 'RAFT_SESSION_INVALID',
    fault: 'caller',
    message: 'A session needs the client id that openSession gave, and a positive integer as its sequence.',
    advice: 'Count a sequence up by one for each new command, and keep it when a command is repeated.',
  });

export const tooMuchUncommitted = (groupId: number): ClusterError =>
  new ClusterError({
    code: 'RAFT_BUSY',
    fault: 'environment',
    message: `More is proposed to group ${groupId} than gets committed: what its leader may take before a majority has it (uncommittedBytesMax) is used up, and the proposal was not taken.`,
    advice:
      'Try again after a pause; a majority of the voters must keep up, or uncommittedBytesMax be raised.',
  });

export const tooManyPending = (groupId: number): ClusterError =>
  new ClusterError({
    code: 'RAFT_BUSY',
    fault: 'environment',
    message: `As many proposals and reads of this node wait for an answer of group ${groupId} as may (pendingProposalsMax): this one was not taken.`,
    advice: 'Try again when some have been answered, keep fewer under way, or raise pendingProposalsMax.',
  });

export const sessionExpired = (groupId: number): ClusterError =>
  new ClusterError({
    code: 'RAFT_SESSION_EXPIRED',
    fault: 'caller',
    message: `The client session is not open (any more) in group ${groupId}; the command was not applied.`,
    advice:
      'Open a new session. Whether an earlier attempt of this command was applied is not known any more.',
  });

export const sequenceTooOld = (groupId: number): ClusterError =>
  new ClusterError({
    code: 'RAFT_SEQUENCE_TOO_OLD',
    fault: 'caller',
    message: `The sequence lies behind the results that its session in group ${groupId} remembers; the command was not applied.`,
    advice: 'Keep fewer commands of a session under way at once than sessionResultsMax.',
  });

export const noLeader = (groupId: number): ClusterError =>
  new ClusterError({
    code: 'RAFT_NO_LEADER',
    fault: 'environment',
    message: `No leader of group ${groupId} was found in time; the proposal was not made.`,
    advice: 'Check that a majority of the voters runs and can reach each other, then try again.',
    retry: 'safe',
  });

export const timedOut = (groupId: number, retry: 'safe' | 'unsafe'): ClusterError =>
  new ClusterError({
    code: 'RAFT_TIMEOUT',
    fault: 'environment',
    message: `The proposal was made in group ${groupId}, but its outcome is not known in time.`,
    advice: adviceFor(retry),
    stateChanged: retry === 'unsafe',
    retry,
  });

export const readTimedOut = (groupId: number): ClusterError =>
  new ClusterError({
    code: 'RAFT_TIMEOUT',
    fault: 'environment',
    message: `In time, no leader of group ${groupId} with a majority behind it said how far the log is, or it was not applied here.`,
    advice: 'Check that a majority of the voters runs and can reach each other, then try again.',
    retry: 'safe',
  });

export const aborted = (groupId: number, retry: 'safe' | 'unsafe'): ClusterError =>
  new ClusterError({
    code: 'RAFT_ABORTED',
    fault: 'caller',
    message: `The call on group ${groupId} was aborted${retry === 'safe' ? '' : ' after the proposal had been made'}.`,
    advice: adviceFor(retry),
    stateChanged: retry === 'unsafe',
    retry,
  });

export const outcomeUnknown = (groupId: number, retry: 'safe' | 'unsafe'): ClusterError =>
  new ClusterError({
    code: 'RAFT_OUTCOME_UNKNOWN',
    fault: 'environment',
    message: `The leader of group ${groupId} changed while the proposal was with it: it may be applied, now or later, or never.`,
    advice: adviceFor(retry),
    stateChanged: retry === 'unsafe',
    retry,
  });

const adviceFor = (retry: 'safe' | 'unsafe'): string =>
  retry === 'safe'
    ? 'It can be repeated (with the same session and sequence, where it had them).'
    : 'It may have been applied or may still be: look before repeating it, or use a session, which makes repeating safe.';

/** What went wrong below the log, unless it says so itself. */
export const logFailed = (cause: unknown): ClusterError =>
  ClusterError.is(cause) && cause.code.startsWith('RAFT_') ? cause : storageFailed('The log failed', cause);

export function bugFound(groupId: number, error: unknown): ClusterError {
  if (ClusterError.is(error)) return error;
  return new ClusterError({
    code: 'RAFT_BUG',
    fault: 'bug',
    message: `The replica of group ${groupId} failed: ${describeError(error)}.`,
    advice: 'This is a bug: please report it with the trace.',
    cause: error,
  });
}
