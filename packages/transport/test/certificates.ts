import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import type { TlsCredentials } from '@cluster/transport/node';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const dayMs = 86_400_000;
x509.cryptoProvider.set(webcrypto as never);

const pem = (label: string, bytes: ArrayBuffer): string => {
  const text = Buffer.from(bytes).toString('base64');
  return `-----BEGIN ${label}-----\n${(text.match(/.{1,64}/g) ?? []).join('\n')}\n-----END ${label}-----\n`;
};

const authorityExtensions = (pathLength: number): x509.Extension[] => [
  new x509.BasicConstraintsExtension(true, pathLength, true),
  new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
];

export interface IssueOptions {
  /** SAN URIs; default: the node's. */
  readonly uris?: readonly string[];
  /** SAN DNS names. */
  readonly dnsNames?: readonly string[];
  /** Days from now. */
  readonly from?: number;
  readonly until?: number;
  readonly clientOnly?: boolean;
}

/** A certificate authority for tests. */
export class TestAuthority {
  readonly ca: string;
  readonly #certificate: x509.X509Certificate;
  readonly #keys: webcrypto.CryptoKeyPair;
  /** Between this one and the root that peers know, as PEM. */
  readonly #chain: string;

  private constructor(
    certificate: x509.X509Certificate,
    keys: webcrypto.CryptoKeyPair,
    ca = certificate.toString('pem'),
    chain = '',
  ) {
    this.#certificate = certificate;
    this.#keys = keys;
    this.ca = ca;
    this.#chain = chain;
  }

  /** One that the authority certifies: what it issues comes with its own certificate, and is known by the root. */
  async intermediate(name: string, until = 365): Promise<TestAuthority> {
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.create({
      subject: `CN=${name}`,
      issuer: this.#certificate.subject,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: algorithm,
      notBefore: new Date(Date.now() - 365 * dayMs),
      notAfter: new Date(Date.now() + until * dayMs),
      extensions: authorityExtensions(0),
    });
    return new TestAuthority(certificate, keys, this.ca, `${certificate.toString('pem')}\n`);
  }

  /** @param until days from now. */
  static async create(name = 'test authority', until = 365): Promise<TestAuthority> {
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      keys,
      signingAlgorithm: algorithm,
      notBefore: new Date(Date.now() - 365 * dayMs),
      notAfter: new Date(Date.now() + until * dayMs),
      extensions: authorityExtensions(1),
    });
    return new TestAuthority(certificate, keys);
  }

  async issue(id: string, cluster = 'prod', options: IssueOptions = {}): Promise<TlsCredentials> {
    const { dnsNames = ['localhost'], from = -1, until = 30, clientOnly = false } = options;
    const { uris = [`spiffe://${cluster}/node/${id}`] } = options;
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const usages = [
      x509.ExtendedKeyUsage.clientAuth,
      ...(clientOnly ? [] : [x509.ExtendedKeyUsage.serverAuth]),
    ];
    const names = [
      ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
      ...uris.map((value) => ({ type: 'url' as const, value })),
    ];
    const certificate = await x509.X509CertificateGenerator.create({
      subject: `O=${cluster}, CN=${id}`,
      issuer: this.#certificate.subject,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: algorithm,
      notBefore: new Date(Date.now() + from * dayMs),
      notAfter: new Date(Date.now() + until * dayMs),
      extensions: [
        new x509.ExtendedKeyUsageExtension(usages),
        new x509.SubjectAlternativeNameExtension(names),
      ],
    });
    return {
      ca: this.ca,
      cert:
        this.#chain === '' ? certificate.toString('pem') : `${certificate.toString('pem')}\n${this.#chain}`,
      key: pem('PRIVATE KEY', await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)),
    };
  }

  client(id: string, cluster = 'prod'): Promise<TlsCredentials> {
    return this.issue(id, cluster, { uris: [`spiffe://${cluster}/client/${id}`], clientOnly: true });
  }
}
