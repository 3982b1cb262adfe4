import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import type { Done } from '../ports.ts';
import { fromNetworkFailure } from './system-error.ts';

/** All addresses of a host name, in the order the system prefers, at least one; an IP address is its own answer, at once. */
export function resolveAddress(host: string, done: Done<readonly string[]>): void {
  if (isIP(host) !== 0) return done({ ok: true, value: [host] });
  lookup(host, { all: true, order: 'verbatim' }, (error, addresses) => {
    if (error) done({ ok: false, error: fromNetworkFailure(error, `Cannot resolve the host name ${host}`) });
    else done({ ok: true, value: addresses.map(({ address }) => address) });
  });
}
