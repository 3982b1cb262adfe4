/** Whether a peer that has shown its certificate and said HELLO may have the connection. */
import type { Connection, Peer } from './entities.ts';
import { type Hello, judgeCertificate, judgeHello, type LocalParty } from './handshake.ts';
import type { PeerIdentity } from './identity.ts';
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

/** The session that a HELLO or HELLO_ACK names is the one we still have with that boot of the peer. */
export function sessionGoesOn(peer: Peer, hello: Hello): boolean {
  return (
    !peer.session.in('absent') &&
    hello.sessionId !== null &&
    peer.sessionId === hello.sessionId &&
    peer.bootId === hello.bootId
  );
}

export interface AdmittingParty extends LocalParty {
  readonly peersMax: number;
  /** Peers known now. */
  readonly peers: number;
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
    // The listener may only go on with a session that we have, too.
    const known = peer !== undefined && sessionGoesOn(peer, hello);
    return (hello.resumed && !known) || hello.sessionId === null ? outOfPlace('HELLO_ACK') : null;
  }
  if (peer === undefined && party.peers >= party.peersMax) return tooManyPeers(party.peers);
  if (party.greeting && party.nodeId < identity.id) {
    return { code: duplicateCode, reason: `${party.nodeId} has dialled too, and the lower node id wins` };
  }
  return null;
}
