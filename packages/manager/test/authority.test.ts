import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createAuthority, issueClientCertificate, issueNodeCertificate } from '../src/node/authority.ts';

describe('the authority', () => {
  it('issues a node certificate whose SAN says cluster, role and node, signed by it', async () => {
    const authority = await createAuthority();
    const { ca, cert, key } = await issueNodeCertificate(authority, {
      clusterName: 'prod',
      nodeId: 'n1',
      hosts: ['db.internal', '10.0.0.1'],
    });
    const certificate = new X509Certificate(cert);
    expect(certificate.subjectAltName).toContain('URI:spiffe://prod/node/n1');
    expect(certificate.subjectAltName).toContain('DNS:db.internal');
    expect(certificate.subjectAltName).toContain('IP Address:10.0.0.1');
    expect(certificate.checkIssued(new X509Certificate(ca))).toBe(true);
    expect(certificate.verify(new X509Certificate(ca).publicKey)).toBe(true);
    expect(certificate.ca).toBe(false);
    expect(key).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
  });

  it('issues a client certificate that cannot serve', async () => {
    const authority = await createAuthority();
    const { cert } = await issueClientCertificate(authority, { clusterName: 'prod', clientId: 'app' });
    const certificate = new X509Certificate(cert);
    expect(certificate.subjectAltName).toContain('URI:spiffe://prod/client/app');
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
  });

  it('dates them as asked', async () => {
    const authority = await createAuthority();
    const notAfter = new Date('2020-01-02T00:00:00Z');
    const { cert } = await issueNodeCertificate(authority, {
      clusterName: 'prod',
      nodeId: 'n1',
      notBefore: new Date('2020-01-01T00:00:00Z'),
      notAfter,
    });
    expect(new Date(new X509Certificate(cert).validTo)).toEqual(notAfter);
  });

  it('refuses an id that would change who the URI names', async () => {
    const authority = await createAuthority();
    await expect(
      issueNodeCertificate(authority, { clusterName: 'prod', nodeId: '../client/x' }),
    ).rejects.toMatchObject({
      code: 'MANAGER_CERTIFICATE_MISMATCH',
    });
  });
});
