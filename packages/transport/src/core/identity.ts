/**
 * Who a certificate says its holder is: one SAN URI, `spiffe://<clusterName>/node/<id>` or `spiffe://<clusterName>/client/<id>`.
 * Exactly one, as SPIFFE's X.509-SVID section 2 asks: with two the holder could choose who to be. Where there is none, one SAN DNS name
 * says the same, for authorities that issue no URIs: `<id>.node.<clusterName>` or `<id>.client.<clusterName>`.
 */
import type { Refusal } from './refusal.ts';

export type PeerRole = 'node' | 'client';

export interface PeerIdentity {
  readonly clusterName: string;
  readonly role: PeerRole;
  readonly id: string;
}

const pattern = /^spiffe:\/\/([A-Za-z0-9._-]{1,128})\/(node|client)\/([A-Za-z0-9._-]{1,128})$/;

export function identityUri({ clusterName, role, id }: PeerIdentity): string {
  return `spiffe://${clusterName}/${role}/${id}`;
}

/** Null for anything that is not exactly of the form. */
export function parseIdentityUri(uri: string): PeerIdentity | null {
  const match = pattern.exec(uri);
  if (match === null) return null;
  const [, clusterName = '', role = '', id = ''] = match;
  return { clusterName, role: role as PeerRole, id };
}

/** Null for anything that is not of the form, or could be read in two ways: ids and clusters may have dots of their own. */
export function parseIdentityDns(name: string): PeerIdentity | null {
  const parts = name.split(/\.(node|client)(?=\.)/);
  const [id = '', role = '', rest = ''] = parts;
  return parts.length === 3 ? parseIdentityUri(`spiffe://${rest.slice(1)}/${role}/${id}`) : null;
}

/**
 * @param uris every SAN URI of a certificate whose chain has been verified.
 * @param dnsNames its SAN DNS names; those that name no node are of no interest.
 */
export function identityOf(
  uris: readonly string[],
  dnsNames: readonly string[] = [],
): PeerIdentity | Refusal {
  const spiffe = uris.filter((uri) => uri.toLowerCase().startsWith('spiffe:'));
  const named = dnsNames.filter((name) => /\.(node|client)\./i.test(name));
  const names = spiffe.length > 0 ? spiffe : named;
  const [name] = names;
  const parse = spiffe.length > 0 ? parseIdentityUri : parseIdentityDns;
  const identity = name === undefined || names.length > 1 ? null : parse(name);
  return (
    identity ?? {
      code: 'TRANSPORT_IDENTITY_MISMATCH',
      reason:
        names.length === 0
          ? 'the certificate names no node: it has no SAN URI spiffe://<cluster>/node/<id>, nor a SAN DNS name <id>.node.<cluster>'
          : `the certificate names no single node: its SANs are ${names.slice(0, 3).join(', ').slice(0, 300)}`,
    }
  );
}

export const isRefusal = (value: PeerIdentity | Refusal): value is Refusal => 'code' in value;

/**
 * The name under which a peer is known here. Clients get a prefix that no node id can have, so that a client called `n1` cannot
 * take the place of the node `n1`.
 */
export function peerKey(
  { role, id }: { readonly role: PeerRole; readonly id: string },
  line: Line = 'control',
): string {
  const key = role === 'node' ? id : `client/${id}`;
  return line === 'bulk' ? bulkKey(key) : key;
}

/**
 * Of two nodes: the connection that there is whenever there is one, and the one for what is large or can wait, made when that has
 * saturated the first. To the core they are two peers, with all that a peer has.
 */
export type Line = 'control' | 'bulk';

const bulkPrefix = 'bulk/';
/** In HELLO: its speaker takes a connection for bulk. */
export const bulkCapability = 'bulk';

/** Of a peer's other line; no node or client has a name like it. */
export const bulkKey = (key: string): string => bulkPrefix + key;
export const lineOf = (key: string): Line => (key.startsWith(bulkPrefix) ? 'bulk' : 'control');
/** The other line of the same peer. */
export const twinOf = (key: string): string => (lineOf(key) === 'bulk' ? peerOf(key) : bulkKey(key));
/** Who is at the other end of a line. */
export const peerOf = (key: string): string =>
  key.startsWith(bulkPrefix) ? key.slice(bulkPrefix.length) : key;
