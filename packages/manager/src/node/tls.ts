/** The node's own certificate, as text or as files, and who it says we are. */
import { X509Certificate } from 'node:crypto';
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

/** Who a certificate says its holder is; null when it says nothing of the kind. The transport checks the rest. */
export function identityIn(pem: string): CertifiedIdentity | null {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch (cause) {
    throw managerError('MANAGER_CERTIFICATE_UNREADABLE', 'tls.cert holds no certificate.', { cause });
  }
  const names = certificate.subjectAltName ?? '';
  const match = /URI:spiffe:\/\/([A-Za-z0-9._-]+)\/(node|client)\/([A-Za-z0-9._-]+)(?:,|$)/.exec(names);
  if (match === null) return null;
  return { clusterName: match[1] as string, role: match[2] as 'node' | 'client', id: match[3] as string };
}
