/** Whether a peer that has shown its certificate and said HELLO may have the connection. */
import type { Connection, Peer } from './entities.ts';
import { type Hello, judgeCertificate, judgeHello, type LocalParty } from './handshake.ts';
import { bulkCapability, type PeerIdentity } from './identity.ts';
import { duplicateCode, type Refusal } from './refusal.ts';

export const outOfPlace = (frame: string): Refusal => ({
  code: 'TRANSPORT_PROTOCOL_ERROR',
  reason: `a ${frame} frame out of place`,
});

export const tooManyPeers = (peers: number): Refusal => ({
  code: 'TRANSPORT_TOO_MANY_PEERS',
  reason: `this node already knows ${peers} peers`,
});

/** @param expected the node that was dialled; null for a peer that came by itself. */
export function judgeIdentity(
  identity: PeerIdentity | null,
  local: Pick<LocalParty, 'clusterName'>,
  expected: string | null,
): Refusal | null {
  if (identity === null)
    return { code: 'TRANSPORT_CERTIFICATE_MISSING', reason: 'the peer showed no certificate' };
  return judgeCertificate(identity, local, expected);
}

/** What becomes of the session when this HELLO or HELLO_ACK is accepted. */
export interface SessionChoice {
  readonly sessionId: string;
  /** The session that we have goes on. */
  readonly resumes: boolean;
  /** What the peer has received of it. */
  readonly received: number;
}

/** Of a listener. The first match counts. */
export function chooseSession(peer: Peer | undefined, hello: Hello, fresh: () => string): SessionChoice {
  const ours =
    peer === undefined || peer.session.in('absent') || peer.bootId !== hello.bootId ? null : peer.sessionId;
  const { sessionId, proposedId, received } = hello;
  if (ours !== null && ours === sessionId) return { sessionId: ours, resumes: true, received };
  // Begun by an earlier HELLO of this dialler, which has not seen our answer: it has received nothing.
  if (ours !== null && ours === proposedId) return { sessionId: ours, resumes: true, received: 0 };
  // Begun by the peer on a HELLO of ours, whose answer we have not seen: new to us.
  if (sessionId !== null && sessionId === peer?.proposedId) return { sessionId, resumes: false, received: 0 };
  return { sessionId: proposedId ?? fresh(), resumes: false, received: 0 };
}

/** Of a dialler: the listener has chosen. Null when it chose what we never offered. */
export function acceptSession(
  peer: Peer | undefined,
  { sessionId, bootId, received }: Hello,
): SessionChoice | null {
  if (peer === undefined || sessionId === null) return null;
  const resumes = !peer.session.in('absent') && peer.sessionId === sessionId && peer.bootId === bootId;
  if (resumes) return { sessionId, resumes, received };
  return peer.proposedId === sessionId ? { sessionId, resumes: false, received: 0 } : null;
}

export interface AdmittingParty extends LocalParty {
  readonly capabilities: readonly string[];
  /** Peers known now. */
  readonly peers: number;
  /** There is no room for another. */
  readonly full: boolean;
  /** Our own HELLO to this peer is out. */
  readonly greeting: boolean;
}

export function judgeAdmission(
  { identity, dialled }: Pick<Connection, 'identity' | 'dialled'>,
  hello: Hello,
  peer: Peer | undefined,
  party: AdmittingParty,
): Refusal | null {
  if (identity === null) return judgeIdentity(null, party, null);
  const refusal = judgeHello(hello, identity, party);
  if (refusal !== null) return refusal;
  if (dialled) {
    return acceptSession(peer, hello) === null ? outOfPlace('HELLO_ACK') : null;
  }
  // Only nodes have a connection for bulk, and only who has said so.
  const isBulk = hello.line === 'bulk';
  if (isBulk && (identity.role !== 'node' || !party.capabilities.includes(bulkCapability)))
    return outOfPlace('HELLO for bulk');
  if (peer === undefined && party.full) return tooManyPeers(party.peers);
  // Sent before it took our dial, and overtaken by its answer: to begin a session for it would end the one just begun.
  if (peer?.open != null && hello.proposedId !== null && hello.proposedId === peer.outdatedId) {
    return { code: duplicateCode, reason: `${identity.id} has a newer connection` };
  }
  if (party.greeting && party.nodeId < identity.id) {
    return { code: duplicateCode, reason: `${party.nodeId} has dialled too, and the lower node id wins` };
  }
  return null;
}
