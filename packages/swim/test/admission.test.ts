/** Who may come: allowed networks, and the application's veto over members and merges. */
import type { Candidate, SwimConfigInput } from '@cluster/swim';
import { describe, expect, it } from 'vitest';
import type { Message } from '../src/core/messages.ts';
import { encodeMessage, encodePushPull, encodeSerf, isWithin, parseNetwork } from '../src/wire.ts';
import { alive, peer, vsn } from './core-rig.ts';
import { Pool } from './pool.ts';

const within = (host: string, ...networks: string[]): boolean =>
  isWithin(
    host,
    networks.flatMap((text) => parseNetwork(text) ?? []),
  );

describe('a network', () => {
  it('holds the addresses that share its prefix, to the bit, and a prefix of 0 all of its family', () => {
    expect(within('10.1.2.3', '10.0.0.0/8')).toBe(true);
    expect(within('11.1.2.3', '10.0.0.0/8')).toBe(false);
    expect(within('10.0.0.127', '10.0.0.0/25')).toBe(true);
    expect(within('10.0.0.128', '10.0.0.0/25')).toBe(false);
    expect(within('10.0.0.9', '10.0.0.9/32')).toBe(true);
    expect(within('10.0.0.8', '10.0.0.9/32')).toBe(false);
    expect(within('1.2.3.4', '0.0.0.0/0')).toBe(true);
    expect(within('::1', '0.0.0.0/0')).toBe(false);
    expect(within('fd00::17', 'fd00::/8', '10.0.0.0/8')).toBe(true);
    expect(within('fe80::17', 'fd00::/8', '10.0.0.0/8')).toBe(false);
    expect(within('2001:db8:0:7fff::1', '2001:db8::/49')).toBe(true);
    expect(within('2001:db8:0:8000::1', '2001:db8::/49')).toBe(false);
  });

  it('takes an IPv4 address in 16 bytes for the IPv4 address that it is', () => {
    expect(within('::ffff:10.1.2.3', '10.0.0.0/8')).toBe(true);
    expect(within('::ffff:11.1.2.3', '10.0.0.0/8')).toBe(false);
    expect(within('10.1.2.3', '::ffff:10.0.0.0/104')).toBe(true);
    expect(within('10.1.2.3', '::/0')).toBe(false);
  });

  it('holds no host name, and what is no network is none', () => {
    expect(within('db.internal', '0.0.0.0/0')).toBe(false);
    for (const text of ['10.0.0.0', '10.0.0.0/33', 'fd00::/129', 'x/8', '10.0.0/8', '10.0.0.0/-1', '/8'])
      expect(parseNetwork(text)).toBeUndefined();
  });
});

const outside = { host: '192.168.7.7', port: 7946 };

/** One member, and a stranger's socket that can say anything to it. */
class Target {
  readonly pool: Pool;
  readonly #send: (bytes: Uint8Array) => void;

  constructor(config: Partial<SwimConfigInput>, extras: Pool['extras'] = () => ({})) {
    this.pool = new Pool(1, 1, config, {}, extras);
    let send: ((bytes: Uint8Array) => void) | null = null;
    this.pool.world.spawn('stranger', (ports) => {
      ports.datagrams.bind(
        { host: ports.host, port: 7946 },
        { onMessage: () => undefined, onError: () => undefined },
        (bound) => {
          if (bound.ok)
            send = (bytes) => bound.value.send(bytes, { host: this.pool.world.addressOf('n1'), port: 7946 });
        },
      );
      return { stop: () => undefined };
    });
    this.pool.world.runFor(50);
    this.#send = (bytes) => send?.(bytes);
  }

  hear(...messages: Message[]): void {
    for (const message of messages) this.#send(encodeMessage(message));
    this.pool.world.runFor(200);
  }

  rejected(channel: 'packets' | 'streams', reason: string): number {
    return this.pool.metrics.get('n1')?.value(`${channel}_rejected`, { reason }) ?? 0;
  }

  get members(): string[] {
    return this.pool
      .engine('n1')
      .members()
      .map(({ name }) => name);
  }
}

/** The simulated network, without 192.168. */
const inside = { allowedNetworks: ['10.0.0.0/8', '127.0.0.0/8', '172.16.0.0/12'] };

describe('an address outside the allowed networks', () => {
  it('is refused in word of a member, in a ping, in a request to probe, in a query and in a relay, and counted', () => {
    const target = new Target(inside);
    const source = { address: outside, node: 'x' };
    const sentBefore = target.pool.metrics.get('n1')?.value('messages_sent') ?? 0;
    target.hear(alive('bad', 1, { address: outside }));
    target.hear({ type: 'ping', seqNo: 1, node: 'n1', source });
    target.hear({ type: 'indirectPing', seqNo: 2, target: outside, node: 'y', nack: true, source: null });
    target.hear({ type: 'indirectPing', seqNo: 3, target: peer('a').address, node: 'y', nack: true, source });
    expect(target.rejected('packets', 'network')).toBe(4);
    target.hear({
      type: 'user',
      payload: encodeSerf({
        type: 'query',
        lTime: 1,
        id: 1,
        address: outside,
        sourceNode: 'x',
        filters: [],
        acks: true,
        noBroadcast: true,
        relayFactor: 0,
        timeoutMs: 1000,
        name: 'q',
        payload: new Uint8Array(0),
      }),
    });
    target.hear({
      type: 'user',
      payload: encodeSerf({ type: 'relay', to: outside, node: 'x', payload: new Uint8Array(3) }),
    });
    expect(target.rejected('packets', 'network')).toBe(6);
    expect(target.members).toEqual(['n1']);
    expect(target.pool.metrics.get('n1')?.value('messages_sent')).toBe(sentBefore);
  });

  it('does not come in by a push/pull, and those beside it do', () => {
    const target = new Target(inside);
    const { world } = target.pool;
    world.spawn('dialler', (ports) => {
      const handlers = { onData: () => undefined, onEnd: () => undefined, onClose: () => undefined };
      ports.streams.dial({ host: world.addressOf('n1'), port: 7946 }, handlers, 1000, (dialled) => {
        if (!dialled.ok) return;
        const members = [{ ...peer('bad'), address: outside }, peer('good')];
        dialled.value.write(encodePushPull({ join: false, members, userState: new Uint8Array(0) }));
      });
      return { stop: () => undefined };
    });
    world.runFor(500);
    expect(target.members).toEqual(['n1', 'good']);
    expect(target.rejected('streams', 'network')).toBe(1);
  });

  it('is heard over neither UDP nor TCP, nor joined', () => {
    const pool = new Pool(0, 1);
    pool.spawn('open', {});
    pool.spawn('closed', { allowedNetworks: ['10.0.0.2/32'] });
    pool.world.runFor(100);
    expect(pool.world.addressOf('closed')).toBe('10.0.0.2');
    expect(pool.join('closed', 'open')).toMatchObject({ ok: false, error: { code: 'SWIM_JOIN_FAILED' } });
    expect(pool.engine('open').members()).toHaveLength(1);
    expect(pool.join('open', 'closed')).toMatchObject({ ok: false });
    expect(pool.engine('closed').members()).toHaveLength(1);
    expect(pool.metrics.get('closed')?.value('streams_rejected', { reason: 'network' })).toBe(1);
  });
});

describe('the application', () => {
  const meta = new Uint8Array(0);

  it('can veto a member, by packet and by push/pull; others are not touched, nor are we', () => {
    const asked: Candidate[] = [];
    const target = new Target({}, () => ({
      admission: {
        admits: (candidate) => {
          asked.push(candidate);
          return candidate.name !== 'bad';
        },
      },
    }));
    target.hear(alive('bad', 1, { meta, vsn }), alive('good'), alive('n1', 7, { address: outside }));
    expect(target.members).toEqual(['n1', 'good']);
    expect(asked.map(({ name }) => name)).toEqual(['bad', 'good']);
    expect(target.rejected('packets', 'vetoed')).toBe(1);
  });

  it('whose hook throws admits nobody', () => {
    const target = new Target({}, () => ({
      admission: {
        admits: () => {
          throw new Error('no database');
        },
      },
    }));
    target.hear(alive('good'));
    expect(target.members).toEqual(['n1']);
    expect(target.rejected('packets', 'vetoed')).toBe(1);
  });

  it.each([
    ['that was asked', 'n1'],
    ['that asks', 'n2'],
  ])('can veto a merge on the side %s, and nothing of it is heard there', (_name, vetoing) => {
    const pool = new Pool(0, 1, {}, {}, (name) =>
      name === vetoing ? { admission: { admitsMerge: () => false } } : {},
    );
    for (const name of ['n1', 'n2']) pool.spawn(name);
    pool.world.runFor(100);
    const joined = pool.join('n2', 'n1');
    expect(pool.engine(vetoing).members()).toHaveLength(1);
    expect(joined).toMatchObject({ ok: false, error: { code: 'SWIM_JOIN_FAILED' } });
    expect(joined?.ok === false && joined.error.message).toMatch(/vetoed/);
  });
});
