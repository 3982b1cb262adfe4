/** Who a certificate says its holder is. */
import { describe, expect, it } from 'vitest';
import { identityOf } from '@cluster/transport';

const node = (id: string, clusterName = 'prod'): object => ({ clusterName, role: 'node', id });
const refused = expect.objectContaining({ code: 'TRANSPORT_IDENTITY_MISMATCH' }) as unknown;

describe('an identity', () => {
  it.each<[string, string[], string[], unknown]>([
    ['a URI', ['spiffe://prod/node/n1'], [], node('n1')],
    ['a URI, whatever DNS says', ['spiffe://prod/node/n1'], ['n2.node.prod'], node('n1')],
    ['a DNS name', ['https://n1.example.com'], ['localhost', 'n1.node.prod'], node('n1')],
    ['a DNS name with dots', [], ['db.n1.node.eu.prod'], node('db.n1', 'eu.prod')],
    ['a client by DNS', [], ['sh.client.prod'], { clusterName: 'prod', role: 'client', id: 'sh' }],
    ['two URIs', ['spiffe://prod/node/n1', 'spiffe://prod/node/n2'], [], refused],
    ['a URI that is none of ours, beside a DNS name', ['spiffe://prod/else/n1'], ['n1.node.prod'], refused],
    ['two DNS names', [], ['n1.node.prod', 'n2.node.prod'], refused],
    ['a DNS name to be read in two ways', [], ['n1.node.x.node.prod'], refused],
    ['a DNS name to be read in two ways at once', [], ['n1.node.node.prod'], refused],
    ['a DNS name in other letters', [], ['n1.NODE.prod'], refused],
    ['a wildcard', [], ['*.node.prod'], refused],
    ['half a DNS name', [], ['n1.node.', '.node.prod'], refused],
    ['no name of ours', ['https://x'], ['localhost', 'n1.prod'], refused],
  ])('from %s', (_what, uris, dnsNames, expected) => {
    expect(identityOf(uris, dnsNames)).toEqual(expected);
  });
});
