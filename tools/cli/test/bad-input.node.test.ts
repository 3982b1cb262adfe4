/** What a person who got something wrong is told: one line, with a code, saying what and what to do. Real sockets and certificates. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@cluster/core';
import {
  type CertificateAndKey,
  createAuthority,
  type IssueOptions,
  issueNodeCertificate,
} from '@cluster/manager/certificates';
import { ClusterNetworkManager } from '@cluster/manager/node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCli } from '../src/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'cluster-bad-input-'));
const gossipKey = Buffer.alloc(32, 7).toString('base64');
const keyFile = join(folder, 'gossip.key');
let ours: CertificateAndKey;
let foreign: CertificateAndKey;
let seed: ClusterNetworkManager;
let seedAddress = '';

const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

/** The options of a node `b` with a certificate made to order. */
async function node(
  authority: CertificateAndKey,
  options: Partial<IssueOptions> = {},
  id = 'b',
): Promise<string[]> {
  const { ca, cert, key } = await issueNodeCertificate(authority, {
    clusterName: 'ours',
    nodeId: id,
    ...options,
  });
  const tls = ['--ca', file('ca.crt', ca), '--cert', file('b.crt', cert), '--key', file('b.key', key)];
  return ['node', '--id', 'b', '--cluster', 'ours', '--voters', 'a,b', '--gossip-key', keyFile, ...tls];
}

/** Runs a command that must fail; gives its exit code and what it said on standard error. */
async function fail(args: readonly string[]): Promise<{ readonly code: number; readonly said: string }> {
  let said = '';
  const err = (text: string): void => void (said += text);
  const code = await runCli(args, { out: () => undefined, err, terminal: null, colour: false });
  const last = said.trimEnd().split('\n').at(-1) ?? '';
  expect(said).not.toMatch(/^\s+at /m);
  expect(last).toMatch(/^[A-Z]+_[A-Z_]+: .+\. .+\.$/);
  return { code, said: last };
}

beforeAll(async () => {
  file('gossip.key', gossipKey);
  [ours, foreign] = await Promise.all([createAuthority(), createAuthority()]);
  const tls = await issueNodeCertificate(ours, { clusterName: 'ours', nodeId: 'a' });
  seed = await ClusterNetworkManager.create({
    nodeId: 'a',
    clusterName: 'ours',
    tls,
    gossipKeys: [gossipKey],
    voters: ['a', 'b'],
    logger: silentLogger,
  });
  await seed.start();
  seedAddress = `127.0.0.1:${seed.gossipAddress.port}`;
});
afterAll(async () => {
  await seed.stop();
  rmSync(folder, { recursive: true });
});

it('a port in use', async () => {
  const { code, said } = await fail([...(await node(ours)), '--bind', seedAddress]);
  expect(said).toMatch(/^SWIM_PORT_IN_USE: The gossip address 127\.0\.0\.1:\d+ is in use/);
  expect(code).toBe(1);
});

it('a missing certificate', async () => {
  const { code, said } = await fail([...(await node(ours)), '--cert', join(folder, 'absent.crt')]);
  expect(said).toMatch(/^MANAGER_CERTIFICATE_UNREADABLE: tls\.cert: .*absent\.crt cannot be read/);
  expect(code).not.toBe(0);
});

it('an expired certificate', async () => {
  const notBefore = new Date('2020-01-01T00:00:00Z');
  const notAfter = new Date('2020-02-01T00:00:00Z');
  const { said } = await fail(await node(ours, { notBefore, notAfter }));
  expect(said).toMatch(/^TRANSPORT_CERTIFICATE_EXPIRED: /);
});

it('a certificate of another node', async () => {
  const { said } = await fail(await node(ours, {}, 'c'));
  expect(said).toMatch(/^TRANSPORT_IDENTITY_MISMATCH: /);
});

it('a certificate of another authority', async () => {
  const { said } = await fail([...(await node(foreign)), '--join', seedAddress]);
  expect(said).toMatch(/^TRANSPORT_CERTIFICATE_UNTRUSTED: /);
});

it('a wrong cluster name', async () => {
  const args = await node(ours, { clusterName: 'theirs' });
  const { said } = await fail([...args, '--cluster', 'theirs', '--join', seedAddress]);
  expect(said).toMatch(/^SWIM_LABEL_MISMATCH: .* cluster name/);
});

it('a wrong gossip key', async () => {
  const other = file('other.key', Buffer.alloc(32, 8).toString('base64'));
  const { said } = await fail([...(await node(ours)), '--gossip-key', other, '--join', seedAddress]);
  expect(said).toMatch(/^SWIM_KEY_MISMATCH: .* gossip key is probably wrong/);
});

it('a data folder that cannot be used', async () => {
  const { said } = await fail([...(await node(ours)), '--data', file('a-file', '')]);
  expect(said).toMatch(/^MANAGER_DATA_UNREADABLE: The data folder .* cannot be used/);
});

it('an unknown option', async () => {
  const { code, said } = await fail(['node', '--frobnicate']);
  expect(said).toMatch(/^CLI_USAGE: Unknown option '--frobnicate'/);
  expect(code).toBe(2);
});

it('a configuration file with a key that does not exist', async () => {
  const { code, said } = await fail(['node', '--config', file('config.json', '{"colour": "red"}')]);
  expect(said).toMatch(/^MANAGER_CONFIG_INVALID: .*colour/);
  expect(code).toBe(2);
});

it('none of them has changed anything for the node that was asked', () => {
  expect(seed.getAliveMembers().map(({ id }) => id)).toContain('a');
  expect(seed.state).toMatch(/^running/);
});
