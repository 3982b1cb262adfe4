/**
 * Issues certificates: an authority, and what it signs for nodes and clients. For development, demos and small clusters; a
 * larger one has an authority of its own and only needs the same subject alternative name:
 * `spiffe://<clusterName>/node/<nodeId>` or `spiffe://<clusterName>/client/<clientId>`.
 */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { managerError } from '../errors.ts';

/** PEM text. `key` is PKCS #8 and secret. */
export interface CertificateAndKey {
  readonly cert: string;
  readonly key: string;
}

/** What `tls` of the configuration takes. */
export interface IssuedIdentity extends CertificateAndKey {
  readonly ca: string;
}

export interface ValidityOptions {
  /** Default: five minutes ago, for clocks that are a little behind. */
  readonly notBefore?: Date;
  /** Default: `days` after now. */
  readonly notAfter?: Date;
  /** Default 3,650 for an authority, 365 for what it signs. */
  readonly days?: number;
}

export interface AuthorityOptions extends ValidityOptions {
  /** Common name. Default `cluster authority`. */
  readonly name?: string;
}

export interface IssueOptions extends ValidityOptions {
  readonly clusterName: string;
  /** Host names and addresses to add to `localhost`, `127.0.0.1` and `::1`. */
  readonly hosts?: readonly string[];
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const dayMs = 86_400_000;
const skewMs = 300_000;
const label = /^[A-Za-z0-9._-]{1,128}$/;

/** A self-signed authority (P-256). */
export async function createAuthority(options: AuthorityOptions = {}): Promise<CertificateAndKey> {
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serialNumber(),
      name: [{ CN: [options.name ?? 'cluster authority'] }],
      keys,
      signingAlgorithm: algorithm,
      ...validity(options, 3650),
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return { cert: certificate.toString('pem'), key: await exportKey(keys.privateKey) };
}

/** A certificate for a node: it may listen and dial. @throws ClusterError `MANAGER_CERTIFICATE_MISMATCH` for a bad id. */
export function issueNodeCertificate(
  authority: CertificateAndKey,
  options: IssueOptions & { readonly nodeId: string },
): Promise<IssuedIdentity> {
  return issue(authority, options, 'node', options.nodeId, [
    x509.ExtendedKeyUsage.serverAuth,
    x509.ExtendedKeyUsage.clientAuth,
  ]);
}

/** A certificate for a client: it may dial and send queries, nothing else. */
export function issueClientCertificate(
  authority: CertificateAndKey,
  options: IssueOptions & { readonly clientId: string },
): Promise<IssuedIdentity> {
  return issue(authority, options, 'client', options.clientId, [x509.ExtendedKeyUsage.clientAuth]);
}

async function issue(
  authority: CertificateAndKey,
  options: IssueOptions,
  role: 'node' | 'client',
  id: string,
  usages: x509.ExtendedKeyUsageType[],
): Promise<IssuedIdentity> {
  // The ids become part of a URI that decides who somebody is.
  for (const part of [options.clusterName, id]) {
    if (label.test(part)) continue;
    throw managerError(
      'MANAGER_CERTIFICATE_MISMATCH',
      `${JSON.stringify(part)} cannot stand in a certificate's identity.`,
    );
  }
  const issuer = readAuthority(authority.cert);
  const keys = await generateKeys();
  const hosts = new Set(['localhost', '127.0.0.1', '::1', ...(options.hosts ?? [])]);
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: serialNumber(),
      subject: [{ O: [options.clusterName] }, { CN: [id] }],
      issuer: issuer.subject,
      publicKey: keys.publicKey,
      signingKey: await importKey(authority.key),
      signingAlgorithm: algorithm,
      ...validity(options, 365),
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension(usages),
        new x509.SubjectAlternativeNameExtension([
          ...[...hosts].map((host) => ({
            type: isIp(host) ? ('ip' as const) : ('dns' as const),
            value: host,
          })),
          { type: 'url', value: `spiffe://${options.clusterName}/${role}/${id}` },
        ]),
        await x509.AuthorityKeyIdentifierExtension.create(issuer, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return { ca: authority.cert, cert: certificate.toString('pem'), key: await exportKey(keys.privateKey) };
}

function readAuthority(pem: string): x509.X509Certificate {
  try {
    return new x509.X509Certificate(pem);
  } catch (cause) {
    throw managerError('MANAGER_CERTIFICATE_UNREADABLE', "The authority's certificate cannot be read.", {
      cause,
    });
  }
}

const isIp = (host: string): boolean => /^\d+(\.\d+){3}$/.test(host) || host.includes(':');

const generateKeys = (): Promise<webcrypto.CryptoKeyPair> =>
  webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);

/** 128 random bits, the top one cleared: a serial number is positive. */
function serialNumber(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x01;
  return Buffer.from(bytes).toString('hex');
}

function validity(
  options: ValidityOptions,
  days: number,
): { readonly notBefore: Date; readonly notAfter: Date } {
  const now = Date.now();
  return {
    notBefore: options.notBefore ?? new Date(now - skewMs),
    notAfter: options.notAfter ?? new Date(now + (options.days ?? days) * dayMs),
  };
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`;
}

async function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  try {
    const der = Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
    return await webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']);
  } catch (cause) {
    throw managerError('MANAGER_CERTIFICATE_UNREADABLE', "The authority's key cannot be read.", { cause });
  }
}

/** Whether a certificate is valid now and for a day to come. */
export function isCurrent(pem: string): boolean {
  const { notBefore, notAfter } = readAuthority(pem);
  const now = Date.now();
  return notBefore.getTime() <= now && notAfter.getTime() > now + dayMs;
}
