/** Metadata of a few members whose packets are handed over by hand, in virtual time. */
import type { Sink, TimerEffect } from '@cluster/core';
import { VirtualClock } from '@cluster/sim';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeMetadata,
  encodeMetadata,
  MetadataCore,
  type MetadataEffect,
  type MetadataMessage,
  parseSwimConfig,
  type SwimConfigInput,
} from '@cluster/swim';
import { deltaSince, emptyMap, merge, write } from '../src/metadata/owner-map.ts';
import { digests, pieces } from '../src/metadata/pieces.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const addressOf = (name: string): { host: string; port: number } => ({ host: name, port: 7946 });

interface Node {
  readonly core: MetadataCore;
  readonly out: Sink<MetadataEffect>;
}

/** Everybody hears everybody at once, unless cut off. */
class Net {
  readonly clock = new VirtualClock();
  readonly nodes = new Map<string, Node>();
  readonly cut = new Set<string>();
  readonly sent: { from: string; to: string; message: MetadataMessage }[] = [];
  readonly refused: string[] = [];
  readonly changed: string[] = [];

  /** @param isSerf a member that does not exchange metadata. */
  add(name: string, epoch = 1, more: Partial<SwimConfigInput> = {}, seed = 1, isSerf = false): MetadataCore {
    const config = parseSwimConfig({ name, ...more });
    const core = new MetadataCore({ config, seed: seed * 1000 + epoch });
    const out: Sink<MetadataEffect> = {
      observer: null,
      emit: (effect) => this.#execute(name, core, effect),
    };
    this.nodes.set(name, { core, out });
    if (isSerf) this.#serfs.add(name);
    else this.#handle(name, core, { type: 'START', epoch });
    for (const other of this.nodes.keys())
      if (other !== name) {
        this.notice(name, other, 'Joined', !this.#serfs.has(other));
        this.notice(other, name, 'Joined', !isSerf);
      }
    return core;
  }

  readonly #serfs = new Set<string>();

  notice(
    on: string,
    name: string,
    notice: 'Joined' | 'Dead' | 'Left' | 'Reaped' | 'Updated' | 'Conflict',
    speaks = true,
  ): void {
    const core = this.core(on);
    if (!this.#serfs.has(on))
      this.#handle(on, core, { type: 'MEMBER', notice, name, address: addressOf(name), speaks });
  }

  set(name: string, key: string, value: string | null): void {
    this.#handle(name, this.core(name), {
      type: 'WRITE',
      key,
      value: value === null ? null : bytes(value),
    });
  }

  hear(name: string, message: MetadataMessage): void {
    this.#handle(name, this.core(name), { type: 'HEARD', message });
  }

  get(on: string, owner: string, key: string): string | undefined {
    const value = this.core(on).map(owner).entries.get(key)?.value;
    return value ? new TextDecoder().decode(value) : undefined;
  }

  core(name: string): MetadataCore {
    return (this.nodes.get(name) as Node).core;
  }

  run(ms: number): void {
    this.clock.advance(ms);
  }

  #handle(name: string, core: MetadataCore, input: Parameters<MetadataCore['handle']>[0]): void {
    core.handle(input, this.clock.nowMs(), (this.nodes.get(name) as Node).out);
  }

  #execute(name: string, core: MetadataCore, effect: MetadataEffect | TimerEffect): void {
    switch (effect.type) {
      case 'setTimer':
        return void this.clock.setTimer(effect.delayMs, () => {
          if (this.nodes.get(name)?.core === core)
            this.#handle(name, core, { type: 'TIMER', timer: effect.timer });
        });
      case 'cancelTimer':
        return;
      case 'send': {
        const to = effect.to.host;
        if (this.cut.has(name) || this.cut.has(to)) return;
        // Over the wire and back, a moment later.
        const message = decodeMetadata(encodeMetadata(effect.message));
        if (typeof message === 'string') throw new Error(message);
        this.sent.push({ from: name, to, message });
        return void this.clock.setTimer(1, () => this.hear(to, message));
      }
      case 'changed':
        for (const { key, value } of effect.changes)
          this.changed.push(`${name}: ${effect.owner}.${key}${value === null ? ' gone' : ''}`);
        return;
      case 'countRefused':
        this.refused.push(effect.reason);
    }
  }
}

const netOf = (...names: readonly string[]): Net => {
  const net = new Net();
  for (const name of names) net.add(name);
  net.run(10_000);
  net.sent.length = 0;
  return net;
};

describe('metadata', () => {
  it('sends nothing while nobody has written anything', () => {
    const net = netOf('a', 'b', 'c');
    net.run(60_000);
    expect(net.sent).toEqual([]);
  });

  it('of one member reaches all others within a few gossip rounds, and then is silent but for comparison', () => {
    const net = netOf('a', 'b', 'c', 'd', 'e', 'f');
    net.set('a', 'k', 'v1');
    net.run(1500);
    for (const on of net.nodes.keys()) expect(net.get(on, 'a', 'k')).toBe('v1');
    net.run(5000);
    net.sent.length = 0;
    net.run(50_000);
    expect(net.sent.every(({ message }) => message.type === 'summary')).toBe(true);
    expect(net.sent.length).toBeLessThanOrEqual(6 * 11);
  });

  it('is sent to nobody that does not say it speaks it', () => {
    const net = netOf('a', 'b');
    net.add('serf', 1, {}, 1, true);
    net.set('a', 'k', 'v1');
    net.run(20_000);
    expect(net.get('b', 'a', 'k')).toBe('v1');
    expect(net.sent.some(({ to }) => to === 'serf')).toBe(false);
  });

  it('is told to a newcomer at once, of everybody', () => {
    const net = netOf('a', 'b');
    net.set('a', 'k', 'v1');
    net.set('b', 'k', 'v2');
    net.run(5000);
    net.add('c');
    net.run(50);
    expect([net.get('c', 'a', 'k'), net.get('c', 'b', 'k')]).toEqual(['v1', 'v2']);
  });

  it('that was overwritten while somebody was cut off arrives as the newest only', () => {
    const net = netOf('a', 'b', 'c');
    net.cut.add('c');
    for (let i = 1; i <= 20; i++) net.set('a', 'k', `v${i}`);
    net.run(20_000);
    net.cut.clear();
    net.run(15_000);
    expect(net.get('c', 'a', 'k')).toBe('v20');
    expect(net.changed.filter((line) => line.startsWith('c: a.k'))).toEqual(['c: a.k']);
  });

  it('that was deleted stays deleted for one who was away longer than the tombstone is kept', () => {
    const net = netOf('a', 'b', 'c');
    net.set('a', 'gone', 'v');
    net.set('a', 'kept', 'v');
    net.run(5000);
    expect(net.get('c', 'a', 'gone')).toBe('v');
    net.cut.add('c');
    net.set('a', 'gone', null);
    net.run(90_000);
    expect(net.core('a').map('a').tombstones).toBe(0);
    expect(net.core('b').map('a').entries.has('gone')).toBe(false);
    net.cut.clear();
    net.run(15_000);
    expect(net.get('c', 'a', 'gone')).toBe(undefined);
    expect(net.get('c', 'a', 'kept')).toBe('v');
    expect(net.changed.filter((line) => line === 'c: a.gone gone')).toHaveLength(1);
    net.run(90_000);
    for (const on of ['a', 'b', 'c']) expect(net.core(on).map('a').entries.has('gone')).toBe(false);
  });

  it('of a restarted member replaces that of its former life, whose keys are gone', () => {
    const net = netOf('a', 'b');
    net.set('a', 'old', 'v');
    net.set('a', 'both', 'v1');
    net.run(5000);
    net.add('a', 9, {}, 2);
    net.set('a', 'both', 'v2');
    net.run(15_000);
    expect([net.get('b', 'a', 'old'), net.get('b', 'a', 'both')]).toEqual([undefined, 'v2']);
  });

  it('of a restarted member that writes nothing empties what others held of it', () => {
    const net = netOf('a', 'b');
    net.set('a', 'old', 'v');
    net.run(5000);
    net.add('a', 9, {}, 2);
    net.run(15_000);
    expect(net.get('b', 'a', 'old')).toBe(undefined);
    expect(net.changed).toContain('b: a.old gone');
  });

  it.each([2, 3, 4, 5, 6, 7])(
    'of a restarted member that does not know its epoch goes above its former life (seed %i)',
    (seed) => {
      const net = netOf('a', 'b', 'c');
      for (let i = 1; i <= 9; i++) net.set('a', 'k', `former ${i}`);
      net.run(5000);
      net.add('a', 1, {}, seed);
      net.set('a', 'k', 'new');
      net.run(20_000);
      expect([net.get('b', 'a', 'k'), net.get('c', 'a', 'k')]).toEqual(['new', 'new']);
    },
  );

  it('of the dead is kept until they are reaped, and then goes', () => {
    const net = netOf('a', 'b');
    net.set('a', 'k', 'v');
    net.run(5000);
    net.notice('b', 'a', 'Dead');
    expect(net.get('b', 'a', 'k')).toBe('v');
    net.notice('b', 'a', 'Conflict', false);
    expect(net.get('b', 'a', 'k')).toBe('v');
    net.notice('b', 'a', 'Reaped');
    expect(net.get('b', 'a', 'k')).toBe(undefined);
    expect(net.changed).toContain('b: a.k gone');
    expect(net.core('b').bytes).toBe(0);
  });

  it('of a member that comes back without it goes too', () => {
    const net = netOf('a', 'b');
    net.set('a', 'k', 'v');
    net.run(5000);
    net.notice('b', 'a', 'Updated', false);
    expect(net.get('b', 'a', 'k')).toBe(undefined);
  });

  it('of the dead is not asked for, and they are not told', () => {
    const net = netOf('a', 'b', 'c');
    net.notice('a', 'b', 'Dead');
    net.notice('a', 'c', 'Left');
    net.sent.length = 0;
    net.set('a', 'k', 'v');
    net.run(20_000);
    expect(net.sent.filter(({ from }) => from === 'a')).toEqual([]);
  });

  it('beyond a bound is refused and counted, and what was there stays', () => {
    const net = new Net();
    net.add('a');
    net.add('b', 1, { metadata: { ownerBytesMax: 1024 } });
    net.run(10_000);
    net.set('a', 'small', 'v');
    net.run(3000);
    net.set('a', 'large', 'x'.repeat(2000));
    net.run(3000);
    expect(net.refused).toContain('too_large');
    expect([net.get('b', 'a', 'small'), net.get('b', 'a', 'large')]).toEqual(['v', undefined]);
    net.set('a', 'large', 'now it fits');
    net.run(8000);
    expect(net.get('b', 'a', 'large')).toBe('now it fits');
  });

  it('of all members together is bounded too', () => {
    const net = new Net();
    const owners = ['a', 'b', 'c', 'd'];
    for (const name of owners) net.add(name);
    net.add('small', 1, { metadata: { totalBytesMax: 65_536 } });
    net.run(10_000);
    for (const name of owners) net.set(name, 'k', 'x'.repeat(30_000));
    net.run(10_000);
    expect(net.refused).toContain('too_large');
    expect(net.core('small').bytes).toBeLessThanOrEqual(65_536);
    expect(net.core('small').bytes).toBeGreaterThan(60_000);
    expect(net.core('a').bytes).toBeGreaterThan(120_000);
  });

  it('in more pieces than one answer holds arrives all the same', () => {
    const net = new Net();
    const owners = Array.from({ length: 30 }, (_, i) => `n${i}`);
    const more = { metadata: { ownerBytesMax: 2048, pieceBytesMax: 4096 } };
    for (const name of owners) net.add(name, 1, more);
    for (const name of owners) net.set(name, 'k', 'x'.repeat(1900));
    net.run(10_000);
    net.sent.length = 0;
    net.add('late', 1, more);
    net.run(100);
    expect(owners.every((owner) => net.get('late', owner, 'k') !== undefined)).toBe(true);
    const answers = net.sent.flatMap(({ message }) => (message.type === 'deltas' ? [message] : []));
    expect(answers.some(({ more: isMore }) => isMore)).toBe(true);
    for (const message of answers) expect(encodeMetadata(message).length).toBeLessThanOrEqual(4096 + 100);
  });

  it('forged from a far future is refused and counted; nearer, its owner goes above it', () => {
    const net = netOf('a', 'b', 'c');
    net.set('a', 'k', 'true');
    net.run(5000);
    const forge = (epoch: number): MetadataMessage => ({
      type: 'deltas',
      from: 'c',
      more: false,
      deltas: [
        {
          owner: 'a',
          epoch,
          boot: 1,
          from: 0,
          upTo: 1,
          collectedTo: 0,
          whole: true,
          entries: [{ key: 'k', value: bytes('forged'), counter: 1 }],
        },
      ],
    });
    net.hear('b', forge(0xffff_ffff));
    expect(net.refused).toEqual(['incarnation']);
    expect(net.get('b', 'a', 'k')).toBe('true');
    net.hear('b', forge(1000));
    expect(net.get('b', 'a', 'k')).toBe('forged');
    net.run(15_000);
    for (const on of ['a', 'b', 'c']) expect(net.get(on, 'a', 'k')).toBe('true');
  });

  it('forged at the end of the range is refused by its owner, who could not go above it', () => {
    const net = new Net();
    const more = { incarnationJumpMax: 0x7fff_ffff };
    for (const name of ['a', 'b']) net.add(name, 1, more);
    net.set('a', 'k', 'true');
    net.run(5000);
    const versions = (epoch: number): MetadataMessage => ({
      type: 'offer',
      from: 'b',
      versions: [{ owner: 'a', epoch, boot: 1, counter: 1 }],
    });
    net.hear('a', versions(0x7fff_ffff));
    net.run(5000);
    net.hear('a', versions(0xffff_fffe));
    expect(net.core('a').map('a').version.epoch).toBe(0xffff_ffff);
    net.run(5000);
    expect(net.refused).toEqual([]);
    net.hear('a', versions(0xffff_ffff));
    expect(net.refused).toEqual(['incarnation']);
    expect(net.core('a').map('a').version.epoch).toBe(0xffff_ffff);
    expect(net.get('b', 'a', 'k')).toBe('true');
  });

  it('of a stranger, or from one, is not listened to', () => {
    const net = netOf('a', 'b');
    const from = (name: string, owner: string): MetadataMessage => ({
      type: 'offer',
      from: name,
      versions: [{ owner, epoch: 1, boot: 1, counter: 1 }],
    });
    net.hear('a', from('stranger', 'b'));
    net.hear('a', from('b', 'stranger'));
    expect(net.sent).toEqual([]);
    net.hear('a', from('b', 'b'));
    expect(net.sent.map(({ to, message }) => `${to} ${message.type}`)).toEqual(['b want']);
  });

  it('goes on from a checkpoint as if nothing had been', () => {
    const net = netOf('a', 'b', 'c');
    net.set('a', 'k', 'v');
    net.set('a', 'gone', 'v');
    net.set('a', 'gone', null);
    const copy = new MetadataCore({ config: parseSwimConfig({ name: 'a' }), seed: 5 });
    copy.restore(net.core('a').checkpoint());
    expect(copy.checkpoint()).toEqual(net.core('a').checkpoint());
    expect(copy.state).toBe(net.core('a').state);
    expect(copy.map('a')).toEqual(net.core('a').map('a'));
  });
});

describe('a map', () => {
  it('does not take what begins beyond what it knows, nor what is older', () => {
    let [early, late] = [emptyMap, emptyMap];
    early = late = write(early, 'a', bytes('1'), 0);
    for (const key of ['b', 'c']) late = write(late, key, bytes('2'), 0);
    const delta = deltaSince('n', late, early.version);
    if (delta === null) throw new Error('there is a difference');
    expect(merge(emptyMap, delta, 0)).toBe(emptyMap);
    expect(merge(late, delta, 0)).toBe(late);
    expect([...merge(early, delta, 0).entries.keys()]).toEqual(['a', 'b', 'c']);
    expect(deltaSince('n', early, late.version)).toBe(null);
  });
});

describe('pieces', () => {
  it('of a digest cover all names between them, without gap or overlap', () => {
    const versions = Array.from({ length: 50 }, (_, i) => ({
      owner: `n${String(i).padStart(3, '0')}`,
      epoch: 1,
      boot: 2,
      counter: 3,
    }));
    const list = digests('me', versions, 200);
    expect(list.length).toBeGreaterThan(5);
    expect(list.flatMap((digest) => digest.versions)).toEqual(versions);
    expect([list[0]?.after, list.at(-1)?.until]).toEqual(['', '']);
    for (const [at, digest] of list.slice(1).entries()) expect(digest.after).toBe(list[at]?.until);
    expect(digests('me', [], 200)).toHaveLength(1);
    expect(pieces([], 200)).toEqual([]);
  });
});

describe('the wire of metadata', () => {
  const name = fc.stringMatching(/^[a-z0-9.-]{1,20}$/);
  const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
  const whole = fc.maxSafeNat();
  const versions = fc.array(fc.record({ owner: name, epoch: u32, boot: u32, counter: whole }));
  const value = fc.option(fc.uint8Array({ maxLength: 300 }), { nil: null });
  const delta = fc
    .record({
      owner: name,
      epoch: u32,
      boot: u32,
      whole: fc.boolean(),
      entries: fc.uniqueArray(fc.tuple(fc.string({ maxLength: 40, unit: 'grapheme' }), value), {
        selector: ([key]) => key,
        maxLength: 20,
      }),
    })
    .map(({ entries, ...rest }) => ({
      ...rest,
      from: 0,
      upTo: entries.length + 1,
      collectedTo: entries.length,
      entries: entries.map(([key, content], at) => ({ key, value: content, counter: at + 1 })),
    }));
  const message = fc.oneof(
    fc.record({ type: fc.constant('summary' as const), from: name, hash: whole }),
    fc.record({ type: fc.constant('digest' as const), from: name, after: name, until: name, versions }),
    fc.record({ type: fc.constantFrom('offer' as const, 'want' as const), from: name, versions }),
    fc.record({
      type: fc.constant('deltas' as const),
      from: name,
      more: fc.boolean(),
      deltas: fc.array(delta, { maxLength: 4 }),
    }),
  );

  it('gives back what was written', () => {
    fc.assert(
      fc.property(message, (one) => {
        expect(decodeMetadata(encodeMetadata(one))).toEqual(one);
      }),
    );
  });

  it('gives a reason for whatever is cut or flipped, and never throws', () => {
    fc.assert(
      fc.property(message, fc.nat(), fc.nat({ max: 255 }), (one, at, byte) => {
        const encoded = encodeMetadata(one);
        expect(typeof decodeMetadata(encoded.slice(0, at % encoded.length))).toBe('string');
        encoded[at % encoded.length] = byte;
        expect(decodeMetadata(encoded)).toBeDefined();
      }),
    );
  });

  it.each([
    ['writes out of order', { from: 0, upTo: 3, counters: [2, 1], keys: ['a', 'b'] }],
    ['a key twice', { from: 0, upTo: 3, counters: [1, 2], keys: ['a', 'a'] }],
    ['a write beyond the last', { from: 0, upTo: 1, counters: [2], keys: ['a'] }],
    ['an end before the beginning', { from: 3, upTo: 2, counters: [1], keys: ['a'] }],
  ])('refuses %s', (_what, { from, upTo, counters, keys }) => {
    const entries = keys.map((key, at) => ({ key, value: null, counter: counters[at] ?? 0 }));
    const bad = { owner: 'a', epoch: 1, boot: 1, from, upTo, collectedTo: 0, whole: false, entries };
    expect(decodeMetadata(encodeMetadata({ type: 'deltas', from: 'b', more: false, deltas: [bad] }))).toBe(
      'field',
    );
  });
});
