import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { readCredentials, startTransport } from '@cluster/transport/node';
import { TestAuthority } from './certificates.ts';

const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
const blocks = (language: string): string[] =>
  [...readme.matchAll(new RegExp('```' + language + '\\n(.*?)```', 'gs'))].map(([, block]) => block ?? '');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(import.meta.dirname, '.readme-'));
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  rmSync(folder, { recursive: true });
});

/** What it prints. */
async function run(example: string): Promise<unknown[][]> {
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  const file = join(folder, 'example.ts');
  writeFileSync(file, example);
  await import(pathToFileURL(file).href);
  return log.mock.calls;
}

test('the example of the README runs', async () => {
  const [example = ''] = blocks('ts');
  expect(example.trim().split('\n').length).toBeLessThanOrEqual(12);
  const authority = await TestAuthority.create();
  vi.stubGlobal('addresses', new Map());
  vi.stubGlobal('tls', { n1: await authority.issue('n1'), n2: await authority.issue('n2') });
  expect(await run(example)).toEqual([['n1 said 3 bytes']]);
});

test('its codec carries an object', async () => {
  const [, example = ''] = blocks('ts');
  vi.stubGlobal('base', {});
  expect(await run(example)).toEqual([['a']]);
});

const hasOpenssl = (() => {
  try {
    execFileSync('openssl', ['version']);
    return true;
  } catch {
    return false;
  }
})();
const isCi = process.env['CI'] !== undefined && process.env['CI'] !== '';

test.skipIf(!hasOpenssl && !isCi)('the certificates that it makes with OpenSSL are taken', async () => {
  const [script = ''] = blocks('sh');
  execFileSync('sh', ['-ec', script], { cwd: folder, stdio: 'ignore' });
  const at = (name: string): string => join(folder, name);
  const addresses = new Map<string, { readonly host: string; readonly port: number }>();
  const start = async (nodeId: string) => {
    const tls = await readCredentials({
      ca: at('ca.pem'),
      cert: at(`${nodeId}.pem`),
      key: at(`${nodeId}.key`),
    });
    const bind = { host: '127.0.0.1', port: 0 };
    const directory = { lookup: (id: string) => addresses.get(id) };
    const transport = await startTransport({ clusterName: 'prod', nodeId, bind, tls }, { directory });
    addresses.set(nodeId, transport.local);
    return transport;
  };
  const [n1, n2] = [await start('n1'), await start('n2')];
  n2.handle(64, (bytes) => bytes.slice());
  expect(await n1.request('n2', 64, Uint8Array.of(7))).toEqual(Uint8Array.of(7));
  await Promise.all([n1.close(), n2.close()]);
});
