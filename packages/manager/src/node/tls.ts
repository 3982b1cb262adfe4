/** The node's own certificate: read, and checked before anything is opened, so that a mistake is said once and clearly. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { managerError } from '../errors.ts';

export interface TlsInput {
  readonly ca: string | readonly string[];
  readonly cert: string;
  readonly key: string;
}

/** PEM text only. */
export interface LoadedTls {
  readonly ca: string[];
  readonly cert: string;
  readonly key: string;
}

export interface CertifiedIdentity {
  readonly clusterName: string;
  readonly role: 'node' | 'client';
  readonly id: string;
}

/** @throws ClusterError `MANAGER_CERTIFICATE_UNREADABLE` */
export async function loadTls({ ca, cert, key }: TlsInput): Promise<LoadedTls> {
  const authorities = typeof ca === 'string' ? [ca] : ca;
  return {
    ca: await Promise.all(authorities.map((one) => loadPem('tls.ca', one))),
    cert: await loadPem('tls.cert', cert),
    key: await loadPem('tls.key', key),
  };
}

async function loadPem(name: string, value: string): Promise<string> {
  if (value.includes('-----BEGIN ')) return value;
  let text: string;
  try {
    text = await readFile(value, 'utf8');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw managerError(
      'MANAGER_CERTIFICATE_UNREADABLE',
      `${name}: ${value} cannot be read (${code ?? message}).`,
      { cause },
    );
  }
  if (text.includes('-----BEGIN ')) return text;
  throw managerError('MANAGER_CERTIFICATE_UNREADABLE', `${name}: ${value} holds no PEM.`);
}

/**
 * Who the certificate says we are.
 * @throws ClusterError `MANAGER_CERTIFICATE_UNREADABLE`, `MANAGER_CERTIFICATE_EXPIRED`, `MANAGER_CERTIFICATE_MISMATCH`
 */
export function checkOwnCertificate(tls: LoadedTls, nowMs: number): CertifiedIdentity {
  const certificate = parse('tls.cert', tls.cert);
  const authorities = tls.ca.map((one) => parse('tls.ca', one));
  const until = new Date(certificate.validTo);
  if (until.getTime() <= nowMs) {
    throw managerError('MANAGER_CERTIFICATE_EXPIRED', `The certificate expired on ${until.toISOString()}.`);
  }
  const from = new Date(certificate.validFrom);
  if (from.getTime() > nowMs) {
    throw managerError(
      'MANAGER_CERTIFICATE_EXPIRED',
      `The certificate is valid only from ${from.toISOString()}.`,
    );
  }
  if (!keyFits(certificate, tls.key)) {
    throw managerError('MANAGER_CERTIFICATE_MISMATCH', 'tls.key is not the key of tls.cert.');
  }
  // A chain may have links between: only a direct issue can be judged here, the handshake judges the rest.
  const chained = tls.cert.split('-----BEGIN CERTIFICATE-----').length > 2;
  if (
    !chained &&
    !authorities.some((ca) => certificate.checkIssued(ca) && certificate.verify(ca.publicKey))
  ) {
    throw managerError('MANAGER_CERTIFICATE_MISMATCH', 'tls.cert was not issued by any authority in tls.ca.');
  }
  return identityOf(certificate);
}

function identityOf(certificate: X509Certificate): CertifiedIdentity {
  const match = /URI:spiffe:\/\/([A-Za-z0-9._-]+)\/(node|client)\/([A-Za-z0-9._-]+)(?:,|$)/.exec(
    certificate.subjectAltName ?? '',
  );
  if (match === null) {
    throw managerError('MANAGER_CERTIFICATE_MISMATCH', 'The certificate names no identity of a cluster.');
  }
  return { clusterName: match[1] as string, role: match[2] as 'node' | 'client', id: match[3] as string };
}

function parse(name: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw managerError('MANAGER_CERTIFICATE_UNREADABLE', `${name} holds no certificate.`, { cause });
  }
}

function keyFits(certificate: X509Certificate, pem: string): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(pem));
  } catch (cause) {
    throw managerError('MANAGER_CERTIFICATE_UNREADABLE', 'tls.key holds no private key.', { cause });
  }
}
