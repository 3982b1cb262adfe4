import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAuthority, issueClientCertificate, issueNodeCertificate } from '../src/node/authority.ts';
import { takeDataFolder } from '../src/node/data-folder.ts';
import { developmentSecrets } from '../src/node/development.ts';
import { identityIn, loadTls } from '../src/node/tls.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'manager-development-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('the development authority', () => {
  it('is one for all who ask at once, and stays', async () => {
    const at = join(folder, 'cluster');
    const all = await Promise.all(Array.from({ length: 8 }, () => developmentSecrets(at)));
    expect(new Set(all.map(({ gossipKey }) => gossipKey)).size).toBe(1);
    expect(new Set(all.map(({ authority }) => authority.key)).size).toBe(1);
    expect(await developmentSecrets(at)).toEqual(all[0]);
    expect(await readdir(at)).toEqual(['development-authority.json']);
  });

  it('is private to the user', async () => {
    const at = join(folder, 'cluster');
    await developmentSecrets(at);
    expect((await stat(at)).mode & 0o777).toBe(0o700);
    expect((await stat(join(at, 'development-authority.json'))).mode & 0o777).toBe(0o600);
  });

  it('is not used when others could have read it, or when it is something else', async () => {
    await developmentSecrets(folder);
    const file = join(folder, 'development-authority.json');
    await chmod(file, 0o644);
    await expect(developmentSecrets(folder)).rejects.toMatchObject({ code: 'MANAGER_AUTHORITY_UNREADABLE' });
    await chmod(file, 0o600);
    await writeFile(file, '{}');
    await expect(developmentSecrets(folder)).rejects.toMatchObject({ code: 'MANAGER_AUTHORITY_UNREADABLE' });
  });
});

describe("the node's own certificate", () => {
  it('is taken as text or as files, and says who it is', async () => {
    const authority = await createAuthority();
    const issued = await issueNodeCertificate(authority, { clusterName: 'prod', nodeId: 'n1' });
    const cert = join(folder, 'cert.pem');
    await writeFile(cert, issued.cert);
    const tls = await loadTls({ ...issued, cert });
    expect(identityIn(tls.cert)).toEqual({ clusterName: 'prod', role: 'node', id: 'n1' });
    const client = await issueClientCertificate(authority, { clusterName: 'prod', clientId: 'app' });
    expect(identityIn(client.cert)).toMatchObject({ role: 'client', id: 'app' });
    expect(identityIn(authority.cert)).toBeNull();
  });

  it('must be there, and be PEM', async () => {
    const tls = { ca: join(folder, 'none.pem'), cert: '', key: '' };
    await expect(loadTls(tls)).rejects.toMatchObject({ code: 'MANAGER_CERTIFICATE_UNREADABLE' });
    await writeFile(tls.ca, 'hello');
    await expect(loadTls(tls)).rejects.toMatchObject({ code: 'MANAGER_CERTIFICATE_UNREADABLE' });
  });
});

describe('the data folder', () => {
  it('is made when it is not there, and refused when it is a file', async () => {
    const lock = await takeDataFolder(join(folder, 'a', 'b'), 'n');
    await lock.release();
    expect((await stat(join(folder, 'a', 'b'))).isDirectory()).toBe(true);
    await writeFile(join(folder, 'file'), '');
    await expect(takeDataFolder(join(folder, 'file'), 'n')).rejects.toMatchObject({
      code: 'MANAGER_DATA_UNREADABLE',
    });
  });
});
