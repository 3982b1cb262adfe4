/** The manager's own errors. What a sibling package reports keeps the sibling's code: mapped, never hidden. */
import { ClusterError, describeError, type Fault, type Retry } from '@cluster/core';

interface ErrorKind {
  readonly fault: Fault;
  readonly advice: string;
  readonly retry?: Retry;
}

/** Every code of this package, whose fault it is, and what to do. The reference page is generated from it. */
export const managerErrors = {
  MANAGER_CONFIG_INVALID: {
    fault: 'caller',
    advice: 'Correct the named keys; the reference page lists each.',
  },
  MANAGER_NOT_RUNNING: { fault: 'caller', advice: 'Call start() and wait for it first.' },
  MANAGER_ALREADY_STARTED: { fault: 'caller', advice: 'A manager starts once: create() another one.' },
  MANAGER_LEFT: { fault: 'caller', advice: 'This node has left: create() a new manager to come back.' },
  MANAGER_STOPPED: { fault: 'caller', advice: 'This manager has stopped: create() a new one.' },
  MANAGER_FAILED: {
    fault: 'environment',
    advice: 'See the cause; stop() it and create() a new one.',
    retry: 'useless',
  },
  MANAGER_JOIN_IN_PROGRESS: { fault: 'caller', advice: 'Wait for the join under way, or abort its signal.' },
  MANAGER_JOIN_FAILED: {
    fault: 'environment',
    advice:
      'Check that a seed is running, reachable, and has the same cluster name, authority and gossip keys.',
  },
  MANAGER_ABORTED: { fault: 'caller', advice: 'The signal given to the call was aborted.' },
  MANAGER_TLS_REQUIRED: {
    fault: 'caller',
    advice: 'Give tls {ca, cert, key}; only a loopback bind may use the development authority.',
  },
  MANAGER_CERTIFICATE_UNREADABLE: {
    fault: 'environment',
    advice: 'Give PEM text or the path of a readable PEM file.',
  },
  MANAGER_CERTIFICATE_MISMATCH: {
    fault: 'caller',
    advice: 'Use letters, digits, dots, underscores and hyphens, at most 128.',
  },
  MANAGER_CONNECT_FAILED: {
    fault: 'environment',
    advice: 'Check that one of the nodes runs at the address given.',
  },
  MANAGER_PEER_LOST: {
    fault: 'environment',
    advice:
      'It may have done what it was asked: repeat it only with the same session and sequence, or if it only reads.',
    retry: 'unsafe',
  },
  MANAGER_DATA_UNREADABLE: {
    fault: 'environment',
    advice: 'Give a dataDir this user may read and write.',
    retry: 'useless',
  },
  MANAGER_DATA_LOCKED: {
    fault: 'environment',
    advice: 'Stop the process that holds it, or give this node a dataDir of its own.',
  },
  MANAGER_AUTHORITY_UNREADABLE: {
    fault: 'environment',
    advice: 'Remove the development authority folder, or give tls of your own.',
    retry: 'useless',
  },
  MANAGER_VOTERS_REQUIRED: {
    fault: 'caller',
    advice: 'Name the voters of the replicated log in `voters`, the same list on every node.',
  },
  MANAGER_NOT_VOTER: {
    fault: 'caller',
    advice:
      'Call a member of the replicated log, or add this node: start it with `voters: []`, and addNode().',
  },
  MANAGER_CHANGE_UNFINISHED: {
    fault: 'environment',
    advice:
      'It may still happen: repeat the call to go on waiting, or removeNode() to take an addition back. Check that a majority of the voters runs, and that the node does, with `voters: []`.',
    retry: 'safe',
  },
  MANAGER_ROSTER_CHANGED: {
    fault: 'environment',
    advice: 'Look at the roster as it is now, and propose what still makes sense.',
    retry: 'useless',
  },
  MANAGER_NO_LEADER: {
    fault: 'environment',
    advice: 'Wait until a majority of the voters is up and connected.',
  },
  MANAGER_DATABASE_REQUIRED: {
    fault: 'caller',
    advice: 'Give `database` to create(): the manager executes no SQL itself.',
  },
  MANAGER_NO_ENDPOINT: {
    fault: 'environment',
    advice: 'No node that could serve the query is alive and connected.',
  },
  MANAGER_NO_HANDLER: {
    fault: 'caller',
    advice: 'Register one with onMessage() on the receiving node.',
    retry: 'useless',
  },
  MANAGER_MESSAGE_INVALID: { fault: 'caller', advice: 'Build the message as its schema says.' },
  MANAGER_MESSAGE_REFUSED: {
    fault: 'peer',
    advice: 'The peer sent bytes that are no message of this version.',
    retry: 'useless',
  },
  MANAGER_QUERY_TIMEOUT: {
    fault: 'environment',
    advice: 'A write may have been applied: repeat it with the same session and sequence.',
    retry: 'unsafe',
  },
  MANAGER_REPLICA_BEHIND: {
    fault: 'environment',
    advice: 'Ask another replica, or wait until this one has caught up.',
  },
  MANAGER_QUERY_FAILED: { fault: 'environment', advice: 'See the cause.' },
  MANAGER_SESSION_EXPIRED: {
    fault: 'environment',
    advice: 'Open a new session; whether the last write was applied is unknown: read it back.',
    retry: 'unsafe',
  },
  MANAGER_SESSION_FORBIDDEN: {
    fault: 'caller',
    advice: 'A session serves only the identity that opened it: open one of your own.',
  },
  MANAGER_RATE_LIMITED: {
    fault: 'caller',
    advice: 'Keep using one session instead of opening many, or raise sessionOpens on the nodes.',
    retry: 'safe',
  },
  MANAGER_SESSION_REQUIRED: { fault: 'caller', advice: 'Send a write with a session and sequence.' },
  MANAGER_OVERLOADED: {
    fault: 'environment',
    advice: 'Too many calls wait already: slow down and retry later.',
  },
  MANAGER_INTERNAL: { fault: 'bug', advice: 'This is a bug: please report it with the trace.' },
  NOT_AVAILABLE: { fault: 'caller', advice: 'It is typed but not built yet; the README lists what is.' },
} as const satisfies Readonly<Record<string, ErrorKind>>;

export type ManagerErrorCode = keyof typeof managerErrors;

export interface ManagerErrorDetails {
  readonly cause?: unknown;
  readonly stateChanged?: boolean;
  readonly retry?: Retry;
}

export function managerError(
  code: ManagerErrorCode,
  message: string,
  details: ManagerErrorDetails = {},
): ClusterError {
  return new ClusterError({ code, ...(managerErrors[code] as ErrorKind), message, ...details });
}

/** A ClusterError as it is; anything else wrapped under `code` with its cause kept. */
export function asClusterError(error: unknown, code: ManagerErrorCode = 'MANAGER_INTERNAL'): ClusterError {
  if (ClusterError.is(error)) return error;
  return managerError(code, `${describeError(error)}.`, { cause: error });
}

/** @throws ClusterError `MANAGER_ABORTED` when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw aborted(signal);
}

export function aborted(signal: AbortSignal): ClusterError {
  return managerError('MANAGER_ABORTED', 'The call was aborted.', {
    cause: signal.reason as unknown,
    retry: 'unsafe',
  });
}

/** What the public face has and this version does not do: method, and what is missing. Docs are generated from it. */
export const notAvailable = {
  'propose({group})': 'a database of its own behind every further group',
  'routeQuery({sessionId})': 'session affinity',
  'sessions.list': 'session migration',
  'sessions.get': 'session migration',
  'sessions.migrate': 'session migration',
  'transactions.begin': 'distributed transactions',
  'transactions.run': 'distributed transactions',
  'transactions.inDoubt': 'distributed transactions',
  rollingRestart: 'rolling restart',
} as const;

export type UnavailableMethod = keyof typeof notAvailable;

export function unavailable(method: UnavailableMethod): ClusterError {
  return managerError(
    'NOT_AVAILABLE',
    `${method} is not available in this version: it needs ${notAvailable[method]}.`,
  );
}
