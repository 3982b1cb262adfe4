/** Every error of this package, by code. What a peer said about us arrives under the code it gave. */
import { ClusterError, describeError, type Fault, type Retry } from '@cluster/core';
import type { Refusal } from './core/refusal.ts';
import type { SessionEnd } from './core/session.machine.ts';

const advices: Readonly<Record<string, string>> = {
  TRANSPORT_CERTIFICATE_EXPIRED: 'Issue a new certificate, and check the clocks of both machines.',
  TRANSPORT_CERTIFICATE_NOT_YET_VALID: 'Check the clocks of both machines; the certificate begins later.',
  TRANSPORT_CERTIFICATE_UNTRUSTED:
    'Use certificates of one authority on all nodes, and give that authority as tls.ca.',
  TRANSPORT_CERTIFICATE_REVOKED: 'Give the peer a certificate of the authorities that there are now.',
  TRANSPORT_CERTIFICATE_MISSING: 'Every peer needs a certificate of its own: give tls.cert and tls.key.',
  TRANSPORT_IDENTITY_MISMATCH: 'Check the addresses in the directory and the SAN URI of the certificate.',
  TRANSPORT_CLUSTER_MISMATCH: 'Give both sides the same cluster name and certificates made for it.',
  TRANSPORT_CODEC_MISMATCH: 'Run releases of the software that fit together.',
  TRANSPORT_VERSION_MISMATCH: 'Run releases of the software that fit together.',
  TRANSPORT_BOOT_ENDED: 'Give each process a name of its own: another of this name has started since.',
  TRANSPORT_SELF_DIALLED: 'Check the addresses in the directory: one of them is of this node.',
  TRANSPORT_NAME_IN_USE: 'Give each process a name of its own, and a certificate for it.',
  TRANSPORT_SESSION_ENDED: 'Try again: the next session has another name.',
  TRANSPORT_COMPRESSION_REFUSED:
    'Look into the peer: it sends compressed bytes that are not what they say, or unasked.',
  TRANSPORT_PEER_UNKNOWN: 'Wait until the directory has an address for it.',
  TRANSPORT_CONTROL_FLOOD: 'Look into the peer: it opens, resets or pings, and takes no answers.',
  TRANSPORT_WRITE_STALLED: 'Look into the peer: it takes nothing of what it is sent.',
  TRANSPORT_HANDSHAKE_CLOSED: "Look into the peer's log: it knows why.",
};

const environmental = new Set([
  'TRANSPORT_CONNECT_FAILED',
  'TRANSPORT_CONNECTION_LOST',
  'TRANSPORT_PEER_UNREACHABLE',
  'TRANSPORT_PEER_SILENT',
  'TRANSPORT_WRITE_STALLED',
  'TRANSPORT_CONNECTION_IDLE',
  'TRANSPORT_KEYS_EXHAUSTED',
  'TRANSPORT_HANDSHAKE_TIMEOUT',
  'TRANSPORT_PEER_LEFT',
  'TRANSPORT_PEER_UNKNOWN',
  'TRANSPORT_SESSION_LOST',
]);

/** A refused or failed connection, as an error of the call that wanted it. Nothing was sent. */
export function refusalError(peer: string, { code, reason }: Refusal): ClusterError {
  return new ClusterError({
    code,
    fault: environmental.has(code) ? 'environment' : 'peer',
    message: `No connection to ${peer}: ${reason}.`,
    advice: advices[code] ?? 'Try again later, or another node.',
    retry: 'safe',
  });
}

function error(code: string, fault: Fault, message: string, advice: string, retry: Retry): ClusterError {
  return new ClusterError({ code, fault, message, advice, retry, stateChanged: retry === 'unsafe' });
}

export const peerUnknown = (peer: string): ClusterError =>
  error(
    'TRANSPORT_PEER_UNKNOWN',
    'environment',
    `There is no address for ${peer}.`,
    'Wait until the directory has an address for it.',
    'safe',
  );

export const maybeDelivered = (
  peer: string,
  why: SessionEnd | 'it was resent too often',
  refusal: Refusal | null,
): ClusterError =>
  error(
    'TRANSPORT_MAYBE_DELIVERED',
    'environment',
    `The session with ${peer} ended (${why}${refusal === null ? '' : `: ${refusal.reason}`}): the message may have been delivered.`,
    'Repeat it only if doing it twice does no harm, or ask the peer first.',
    'unsafe',
  );

export const backpressure = (peer: string, queued: number, bytes: number): ClusterError =>
  error(
    'TRANSPORT_BACKPRESSURE',
    'environment',
    `The queue to ${peer} is full: ${queued} messages, ${bytes} bytes wait.`,
    'Send less, or wait: the peer takes less than it is given.',
    'safe',
  );

export const messageTooLarge = (bytes: number, max: number): ClusterError =>
  error(
    'TRANSPORT_MESSAGE_TOO_LARGE',
    'caller',
    `A message of ${bytes} bytes is over the limit of ${max}.`,
    'Send it in parts, or raise messageBytesMax on both sides.',
    'useless',
  );

export const timedOut = (peer: string, timeoutMs: number, sent: boolean): ClusterError =>
  error(
    'TRANSPORT_TIMEOUT',
    'environment',
    `No answer from ${peer} within ${timeoutMs} ms${sent ? '; the message may have been delivered' : ''}.`,
    sent
      ? 'Repeat it only if doing it twice does no harm.'
      : 'It was never sent: try again, or another node.',
    sent ? 'unsafe' : 'safe',
  );

export const aborted = (peer: string, sent: boolean): ClusterError =>
  error(
    'TRANSPORT_ABORTED',
    'caller',
    `The call to ${peer} was aborted${sent ? ' after it was sent' : ' before it was sent'}.`,
    'The caller asked for it.',
    sent ? 'unsafe' : 'safe',
  );

export const transportClosed = (sent = false): ClusterError =>
  error(
    'TRANSPORT_CLOSED',
    'caller',
    `The transport was closed${sent ? ': the message may have been delivered' : ''}.`,
    'Start a new one.',
    sent ? 'unsafe' : 'safe',
  );

export const remoteError = (peer: string, code: string, message: string): ClusterError =>
  new RemoteHandlerError(peer, code, message);

export const tooManyStreams = (peer: string, max: number): ClusterError =>
  error(
    'TRANSPORT_TOO_MANY_STREAMS',
    'caller',
    `There are ${max} streams open to ${peer}, and it takes no more.`,
    'End some, or raise streamsMax at the peer.',
    'safe',
  );

export const streamClosed = (peer: string): ClusterError =>
  error(
    'TRANSPORT_STREAM_CLOSED',
    'caller',
    `The stream to ${peer} has ended or was reset: nothing more can be written to it.`,
    'Open another.',
    'useless',
  );

/** The whole of it: nothing goes on. */
export const streamAborted = (peer: string): ClusterError =>
  error(
    'TRANSPORT_ABORTED',
    'caller',
    `The stream with ${peer} was aborted.`,
    'The caller asked for it. What was written may have been read in part, or not at all.',
    'unsafe',
  );

export const streamTimedOut = (peer: string, timeoutMs: number): ClusterError =>
  error(
    'TRANSPORT_TIMEOUT',
    'environment',
    `The stream with ${peer} was not over within ${timeoutMs} ms.`,
    'What was written may have been read in part, or not at all.',
    'unsafe',
  );

/** Only who waits gives up: the stream goes on. @param taken bytes that were to be written: they go all the same. */
export const waitAborted = (peer: string, taken: boolean): ClusterError =>
  error(
    'TRANSPORT_ABORTED',
    'caller',
    `Waiting for the stream with ${peer} was aborted${taken ? ': what was written goes all the same' : ''}.`,
    'The stream goes on, and nothing of it is lost.',
    taken ? 'useless' : 'safe',
  );

export const waitTimedOut = (peer: string, timeoutMs: number, taken: boolean): ClusterError =>
  error(
    'TRANSPORT_TIMEOUT',
    'environment',
    `The stream with ${peer} did not go on within ${timeoutMs} ms${taken ? ': what was written goes all the same' : ''}.`,
    'The stream goes on, and nothing of it is lost.',
    taken ? 'useless' : 'safe',
  );

export const streamFull = (peer: string, bytes: number): ClusterError =>
  error(
    'TRANSPORT_BACKPRESSURE',
    'environment',
    `${bytes} bytes wait in the stream to ${peer}.`,
    'Wait for room before writing more.',
    'safe',
  );

/** A stream is gone before both sides had ended it. `code` says why. */
export const streamReset = (peer: string, { code, reason }: Refusal): ClusterError =>
  error(
    code,
    environmental.has(code) ? 'environment' : 'peer',
    `The stream with ${peer} was reset: ${reason}.`,
    'What was written may have been read in part, or not at all.',
    'unsafe',
  );

/** The peer's handler failed. `remoteCode` is the code of its error. */
export class RemoteHandlerError extends ClusterError {
  readonly remoteCode: string;
  readonly remoteMessage: string;

  constructor(peer: string, code: string, message: string) {
    super({
      code: 'TRANSPORT_REMOTE_ERROR',
      fault: 'peer',
      message: `${peer} answered with ${code}: ${message}`,
      advice: 'See the code of the remote error.',
      retry: 'unsafe',
      stateChanged: true,
    });
    this.remoteCode = code;
    this.remoteMessage = message;
  }
}

/** What a handler threw, with a code: its own, or a general one. */
export function handlerError(error: unknown): ClusterError {
  if (ClusterError.is(error)) return error;
  const code = (error as { code?: unknown } | null)?.code;
  return new ClusterError({
    code: typeof code === 'string' && code !== '' ? code : 'HANDLER_FAILED',
    fault: 'bug',
    message: describeError(error),
    advice: 'The handler of this message threw.',
    cause: error,
  });
}

export const bug = (cause: unknown): ClusterError =>
  new ClusterError({
    code: 'TRANSPORT_BUG',
    fault: 'bug',
    message: 'The transport stopped: its core threw.',
    advice: 'This is a bug: please report it with the trace.',
    cause,
  });

/** Codes that may become a metric label: a peer's own words must not make new series. */
export const knownReasons = new Set([
  ...Object.keys(advices),
  ...environmental,
  'TRANSPORT_PROTOCOL_ERROR',
  'TRANSPORT_TOO_MANY_PEERS',
  'TRANSPORT_TOO_MANY_CONNECTIONS',
  'TRANSPORT_TLS_FAILED',
  'TRANSPORT_DUPLICATE_CONNECTION',
  'TRANSPORT_TOO_MANY_STREAMS',
  'TRANSPORT_UNKNOWN_TYPE',
  'TRANSPORT_NOT_AUTHORIZED',
  'TRANSPORT_RATE_LIMITED',
  'TRANSPORT_OVERLOADED',
  'TRANSPORT_MAYBE_DELIVERED',
  'TRANSPORT_PEER_LEFT',
  'TRANSPORT_CLOSED',
]);

export const reasonLabel = (code: string): string =>
  knownReasons.has(code) ? code.slice('TRANSPORT_'.length).toLowerCase() : 'other';
