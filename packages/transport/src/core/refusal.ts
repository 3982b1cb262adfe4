/** Why a connection is not wanted: a stable error code and a sentence without its full stop. It travels in REFUSED frames. */
export interface Refusal {
  readonly code: string;
  readonly reason: string;
}

export const handshakeTimedOut: Refusal = {
  code: 'TRANSPORT_HANDSHAKE_TIMEOUT',
  reason: 'the handshake did not finish in time',
};
export const peerSilent: Refusal = {
  code: 'TRANSPORT_PEER_SILENT',
  reason: 'the peer sent nothing, not even an answer to a ping',
};
export const writeStalled: Refusal = {
  code: 'TRANSPORT_WRITE_STALLED',
  reason: 'the peer reads nothing: what waits for it has not moved for too long',
};
export const connectionIdle: Refusal = {
  code: 'TRANSPORT_CONNECTION_IDLE',
  reason: 'nobody has used it for a while',
};
export const keysExhausted: Refusal = {
  code: 'TRANSPORT_KEYS_EXHAUSTED',
  reason: 'its keys have protected as many records as they may, and no other has taken its place',
};
export const superseded: Refusal = {
  code: 'TRANSPORT_CONNECTION_REPLACED',
  reason: 'another connection to the same peer has taken its place',
};
export const shutDown: Refusal = { code: 'TRANSPORT_CLOSED', reason: 'the transport was closed' };
export const drainTimedOut: Refusal = {
  code: 'TRANSPORT_DRAIN_TIMEOUT',
  reason: 'what was under way did not finish before the drain deadline',
};
/** Its peer would have to take more than it does, and the session would grow without bound: both sides end it. */
export const controlFlood: Refusal = {
  code: 'TRANSPORT_CONTROL_FLOOD',
  reason: 'the peer makes more answers about streams and pings necessary than it takes',
};
export const answersUnread: Refusal = {
  code: 'TRANSPORT_BACKPRESSURE',
  reason: 'it asks more than it reads answers',
};
export const resentTooOften: Refusal = {
  code: 'TRANSPORT_MAYBE_DELIVERED',
  reason: 'the connection broke each time they were sent: they may have been delivered',
};
export const peerLeft: Refusal = { code: 'TRANSPORT_PEER_LEFT', reason: 'the peer has said goodbye' };

/** In TLS 1.3 the dialler's handshake is done before the listener has looked at its certificate. */
export const closedInHandshake: Refusal = {
  code: 'TRANSPORT_HANDSHAKE_CLOSED',
  reason:
    'the peer closed the connection before it had answered; with TLS 1.3 that is all one sees when the peer does not take ' +
    "one's certificate (another authority, expired), or when what listens there is not a cluster node",
};
export const noAddress: Refusal = {
  code: 'TRANSPORT_PEER_UNKNOWN',
  reason: 'the directory has no address for it',
};
export const tooManyConnections: Refusal = {
  code: 'TRANSPORT_TOO_MANY_CONNECTIONS',
  reason: 'there are as many connections as may be',
};

export const unreachable: Refusal = { code: 'TRANSPORT_PEER_UNREACHABLE', reason: 'it could not be dialled' };

/** Refused because the two sides dialled each other at once: benign, the other connection carries on. */
export const duplicateCode = 'TRANSPORT_DUPLICATE_CONNECTION';

// A refusal that another attempt cannot change: who we are, who they are, or what we speak does not fit.
const definitiveCodes = new Set([
  'TRANSPORT_CERTIFICATE_EXPIRED',
  'TRANSPORT_CERTIFICATE_NOT_YET_VALID',
  'TRANSPORT_CERTIFICATE_UNTRUSTED',
  'TRANSPORT_CERTIFICATE_MISSING',
  'TRANSPORT_CERTIFICATE_REVOKED',
  'TRANSPORT_IDENTITY_MISMATCH',
  'TRANSPORT_CLUSTER_MISMATCH',
  'TRANSPORT_CODEC_MISMATCH',
  'TRANSPORT_VERSION_MISMATCH',
  'TRANSPORT_BOOT_ENDED',
  'TRANSPORT_SELF_DIALLED',
  'TRANSPORT_NAME_IN_USE',
  'TRANSPORT_PEER_UNKNOWN',
]);

/** True when trying again soon is pointless: the caller is told at once. */
export const isDefinitive = ({ code }: Refusal): boolean => definitiveCodes.has(code);
