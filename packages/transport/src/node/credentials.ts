/** Certificates are checked before anything listens: a node that nobody could trust should not start. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import * as z from 'zod';
import { ClusterError, parseConfig, type WallClock } from '@cluster/core';
import { identityOf, identityUri, isRefusal, type PeerIdentity, type PeerRole } from '../core/identity.ts';

export interface TlsCredentials {
  /** Authorities that peers may be certified by, PEM. Several while one replaces another. */
  readonly ca: string | readonly string[];
  /** The certificate of this node, PEM; intermediates may follow. */
  readonly cert: string;
  /** Its private key, PEM. */
  readonly key: string;
}

const pem = z.string('PEM as text');
const shape = z.object({ tls: z.object({ ca: z.union([pem, z.array(pem)]), cert: pem, key: pem }) });

function problem(code: string, message: string, advice: string, cause?: unknown): ClusterError {
  return new ClusterError({ code, fault: 'caller', message, advice, retry: 'useless', cause });
}

const newCertificate = 'Issue a new certificate for this node.';

/** @returns the identity in the certificate. @throws ClusterError with what is wrong and what to do. */
export function checkCredentials(
  tls: TlsCredentials,
  expected: { readonly nodeId: string; readonly clusterName: string; readonly listens: boolean },
  wallClock: WallClock,
): PeerIdentity {
  // Nothing else has looked at what a caller without types has given.
  const { ca, cert, key } = parseConfig(shape, { tls }, 'TRANSPORT_CONFIG_INVALID').tls;
  const certificate = readCertificate(cert, 'tls.cert');
  const authorities = readAuthorities({ ca });
  if (authorities.length === 0) {
    throw problem(
      'TRANSPORT_CERTIFICATE_UNREADABLE',
      'tls.ca holds no certificate.',
      'Give the authority as PEM.',
    );
  }
  const nowMs = wallClock.nowMs();
  if (nowMs > Date.parse(certificate.validTo)) {
    throw problem(
      'TRANSPORT_CERTIFICATE_EXPIRED',
      `The certificate of ${expected.nodeId} expired on ${certificate.validTo}.`,
      newCertificate,
    );
  }
  if (nowMs < Date.parse(certificate.validFrom)) {
    throw problem(
      'TRANSPORT_CERTIFICATE_NOT_YET_VALID',
      `The certificate of ${expected.nodeId} is valid from ${certificate.validFrom} on.`,
      "Check this machine's clock.",
    );
  }
  if (!certificate.checkPrivateKey(readKey(key))) {
    throw problem(
      'TRANSPORT_CERTIFICATE_KEY_MISMATCH',
      'tls.key is not the key of tls.cert.',
      'Give the key that was made with this certificate.',
    );
  }
  checkIssuer(certificate, cert, authorities);
  return checkIdentity(certificate, expected);
}

/** The role follows from the certificate: who listens must be a node, who only dials may be a client. */
function checkIdentity(
  certificate: X509Certificate,
  {
    nodeId,
    clusterName,
    listens,
  }: { readonly nodeId: string; readonly clusterName: string; readonly listens: boolean },
): PeerIdentity {
  const { uris, dnsNames } = sansOf(certificate);
  const identity = identityOf(uris, dnsNames);
  const role: PeerRole = isRefusal(identity) || listens ? 'node' : identity.role;
  const wanted = identityUri({ clusterName, role, id: nodeId });
  if (isRefusal(identity)) {
    throw problem(
      'TRANSPORT_IDENTITY_MISMATCH',
      `tls.cert cannot be used: ${identity.reason}.`,
      `It must name ${wanted}.`,
    );
  }
  if (identity.clusterName !== clusterName) {
    throw problem(
      'TRANSPORT_CLUSTER_MISMATCH',
      `tls.cert is of cluster ${identity.clusterName}, not ${clusterName}.`,
      `It must name ${wanted}.`,
    );
  }
  if (identity.id !== nodeId || identity.role !== role) {
    throw problem(
      'TRANSPORT_IDENTITY_MISMATCH',
      `tls.cert is of ${identity.role} ${identity.id}, not of ${role} ${nodeId}.`,
      `It must name ${wanted}.`,
    );
  }
  return identity;
}

/** Only for a certificate directly under its authority: with intermediates the peers judge the chain. */
function checkIssuer(
  certificate: X509Certificate,
  pem: string,
  authorities: readonly X509Certificate[],
): void {
  if (splitPem(pem).length > 1) return;
  const issued = authorities.some((ca) => certificate.checkIssued(ca) && certificate.verify(ca.publicKey));
  if (issued) return;
  throw problem(
    'TRANSPORT_CERTIFICATE_UNTRUSTED',
    'tls.cert was not issued by any authority in tls.ca.',
    'Give the authority that issued it, and the same one on all nodes.',
  );
}

export const readAuthorities = ({ ca }: Pick<TlsCredentials, 'ca'>): readonly X509Certificate[] =>
  [ca].flat().flatMap((pem) => splitPem(pem).map((one) => readCertificate(one, 'tls.ca')));

/** This node's certificate, and those that come with it. */
export const readChain = ({ cert }: Pick<TlsCredentials, 'cert'>): readonly X509Certificate[] =>
  splitPem(cert).map((one) => readCertificate(one, 'tls.cert'));

/** @param certificate of a chain that has been verified: only who stands at its end is asked. */
export function isCertified(
  certificate: X509Certificate,
  authorities: readonly X509Certificate[],
  depth = 8,
): boolean {
  const issued = authorities.some((ca) => certificate.checkIssued(ca) && certificate.verify(ca.publicKey));
  const { issuerCertificate: issuer } = certificate;
  return issued || (issuer !== undefined && depth > 0 && isCertified(issuer, authorities, depth - 1));
}

const splitPem = (pem: string): string[] =>
  pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];

function readCertificate(pem: string, name: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw problem(
      'TRANSPORT_CERTIFICATE_UNREADABLE',
      `${name} is not a certificate in PEM.`,
      'Give the text of the file, from -----BEGIN CERTIFICATE----- on.',
      error,
    );
  }
}

function readKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw problem(
      'TRANSPORT_CERTIFICATE_UNREADABLE',
      'tls.key is not a private key in PEM.',
      'Give the text of the file, without a passphrase.',
      error,
    );
  }
}

/**
 * The URIs and DNS names of a subjectAltName as Node prints it: `DNS:a, URI:spiffe://x/node/y`. Node quotes (as JSON) every value
 * that holds a character that could forge an entry; such a value is not one of ours.
 */
export function sansOf({ subjectAltName }: Pick<X509Certificate, 'subjectAltName'>): {
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
} {
  const entries = (subjectAltName ?? '').split(', ');
  const of = (kind: 'URI:' | 'DNS:'): string[] =>
    entries.filter((entry) => entry.startsWith(kind)).map((entry) => entry.slice(kind.length));
  return { uris: of('URI:'), dnsNames: of('DNS:') };
}
