/**
 * What two peers tell each other before anything else, and what each makes of it.
 *
 * TLS has proved who holds which certificate; HELLO says who is meant, what is spoken, and where the last connection ended. All
 * of it is judged here, by the same function on both sides, and a refusal is said to the peer before the stream is closed:
 * a bare close leaves the operator of the other side to guess.
 */
import type { Windows } from './credit.ts';
import type { Line, PeerIdentity } from './identity.ts';
import type { Refusal } from './refusal.ts';

/** Versions of the wire this build speaks. */
export const protocolVersions = { min: 1, max: 1 } as const;

/** How much a peer takes: of one message, and of what it has not consumed. */
export interface PeerLimits extends Windows {
  readonly messageBytesMax: number;
  /** Streams that the other side may have open at once. */
  readonly streamsMax: number;
  /** Bytes of one stream, and of all together, that may be sent and not yet read. */
  readonly streamBufferBytes: number;
  readonly streamsBufferBytes: number;
}

export interface Hello {
  readonly versionMin: number;
  readonly versionMax: number;
  readonly clusterName: string;
  /** Who speaks: the id of a node, or of a client. */
  readonly nodeId: string;
  /** Whom the speaker believes to talk to. */
  readonly expectedId: string;
  /** New with every start of the process: a session never outlives it. */
  readonly bootId: string;
  readonly capabilities: readonly string[];
  /** Which of the connections between the two this is. */
  readonly line: Line;
  /** What the speaker takes. */
  readonly limits: PeerLimits;
  /** Hash of each codec's fixed structures, by the codec's name. */
  readonly codecHashes: Readonly<Record<string, string>>;
  /** HELLO: the session to resume, or null. HELLO_ACK: the session from now on. */
  readonly sessionId: string | null;
  /**
   * HELLO: the name of a new session, should that one not go on. It stays the same until the dialler has seen an answer: a
   * listener whose HELLO_ACK was lost may have sent messages behind it, and finds them again under this name. HELLO_ACK: what
   * the listener has proposed in a HELLO of its own, which this connection has made void and which may yet arrive.
   */
  readonly proposedId: string | null;
  /** The last sequence received in `sessionId`; the peer resends what follows. */
  readonly received: number;
}

/** What this side is, for judging the other. */
export interface LocalParty {
  readonly clusterName: string;
  readonly nodeId: string;
  readonly bootId: string;
  readonly codecHashes: Readonly<Record<string, string>>;
}

const mismatch = (code: string, reason: string): Refusal => ({ code, reason });

/** @param expected the node that was dialled; null for a peer that came by itself. */
export function judgeCertificate(
  peer: PeerIdentity,
  local: Pick<LocalParty, 'clusterName'>,
  expected: string | null,
): Refusal | null {
  if (peer.clusterName !== local.clusterName) {
    return mismatch(
      'TRANSPORT_CLUSTER_MISMATCH',
      `the certificate of ${peer.role} ${peer.id} is of cluster ${peer.clusterName}, not ${local.clusterName}`,
    );
  }
  if (expected !== null && (peer.role !== 'node' || peer.id !== expected)) {
    return mismatch(
      'TRANSPORT_IDENTITY_MISMATCH',
      `node ${expected} was dialled, but the certificate is of ${peer.role} ${peer.id}`,
    );
  }
  return null;
}

/** @param peer the identity that the certificate has proved. */
export function judgeHello(hello: Hello, peer: PeerIdentity, local: LocalParty): Refusal | null {
  const { min, max } = protocolVersions;
  if (hello.versionMin > max || hello.versionMax < min) {
    return mismatch(
      'TRANSPORT_VERSION_MISMATCH',
      `${peer.id} speaks versions ${hello.versionMin} to ${hello.versionMax}, ${local.nodeId} ${min} to ${max}`,
    );
  }
  if (hello.clusterName !== local.clusterName) {
    return mismatch(
      'TRANSPORT_CLUSTER_MISMATCH',
      `${peer.id} belongs to cluster ${hello.clusterName}, ${local.nodeId} to ${local.clusterName}`,
    );
  }
  if (hello.nodeId !== peer.id) {
    return mismatch(
      'TRANSPORT_IDENTITY_MISMATCH',
      `the peer calls itself ${hello.nodeId}, but its certificate is of ${peer.role} ${peer.id}`,
    );
  }
  if (hello.expectedId !== local.nodeId) {
    return mismatch(
      'TRANSPORT_IDENTITY_MISMATCH',
      `${peer.id} wants to talk to ${hello.expectedId}, but this is ${local.nodeId}`,
    );
  }
  if (peer.role === 'node' && peer.id === local.nodeId) {
    return hello.bootId === local.bootId
      ? mismatch('TRANSPORT_SELF_DIALLED', `${local.nodeId} has dialled itself`)
      : mismatch('TRANSPORT_NAME_IN_USE', `two processes use the name ${local.nodeId}`);
  }
  return judgeCodecs(hello, peer, local);
}

/** A codec that only one side knows is no conflict: a client need not speak what nodes speak among themselves. */
function judgeCodecs(hello: Hello, peer: PeerIdentity, local: LocalParty): Refusal | null {
  for (const [codec, hash] of Object.entries(local.codecHashes)) {
    const theirs = Object.hasOwn(hello.codecHashes, codec) ? hello.codecHashes[codec] : hash;
    if (theirs !== hash) {
      return mismatch(
        'TRANSPORT_CODEC_MISMATCH',
        `the codec ${codec} is ${theirs ?? ''} at ${peer.id} and ${hash} at ${local.nodeId}: two releases that do not mix`,
      );
    }
  }
  return null;
}

/** What this side says. `received` is added when it is sent. */
export function makeHello(
  local: LocalParty & Pick<Hello, 'capabilities' | 'limits'>,
  expectedId: string,
  line: Line,
  sessionId: string | null,
  proposedId: string | null,
): Hello {
  const { clusterName, nodeId, bootId, capabilities, limits, codecHashes } = local;
  const { min: versionMin, max: versionMax } = protocolVersions;
  return {
    versionMin,
    versionMax,
    clusterName,
    nodeId,
    expectedId,
    bootId,
    capabilities,
    line,
    limits,
    codecHashes,
    sessionId,
    proposedId,
    received: 0,
  };
}
