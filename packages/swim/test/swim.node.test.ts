/** Real sockets on loopback, and therefore real time: a few members for a few seconds, plain and encrypted. */
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClusterError, formatAddress, ListRecorder, MetricsRegistry, replay, Tracer } from '@cluster/core';
import { parseSwimConfig, type Swim, SwimCore, type SwimConfigInput } from '@cluster/swim';
import { keyring, startDatacenter, startSwim } from '@cluster/swim/node';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeMessage } from '../src/wire.ts';

const running: Swim[] = [];
const folders: string[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((swim) => swim.stop()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

// Quick enough for a test, slow enough for a busy machine.
const quick = {
  probePeriodMs: 300,
  pingTimeoutMs: 150,
  suspectTimeoutMs: 1500,
  suspicionMult: 1,
  gossipPeriodMs: 50,
} as const;
const keyA = Buffer.alloc(32, 1).toString('base64');
const keyB = Buffer.alloc(16, 2).toString('base64');

const start = async (
  config: SwimConfigInput,
  extras: Parameters<typeof startSwim>[1] = {},
): Promise<Swim> => {
  const swim = await startSwim({ ...quick, ...config }, extras);
  running.push(swim);
  return swim;
};
const at = (swim: Swim): string => formatAddress(swim.self.address);
const until = async (reached: () => boolean, withinMs = 10_000): Promise<void> => {
  const endMs = performance.now() + withinMs;
  while (!reached()) {
    if (performance.now() > endMs) throw new Error(`not within ${withinMs} ms: ${reached.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};
const stateOf = (swim: Swim, name: string): string | undefined =>
  swim.members().find((member) => member.name === name)?.state;
const failure = async (promise: Promise<unknown>): Promise<ClusterError> => {
  const error: unknown = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  if (!ClusterError.is(error)) throw error;
  return error;
};

describe.each([
  ['plain', [], ''],
  ['encrypted', [keyA], ''],
  ['encrypted and labelled', [keyA], 'east'],
])('three members on loopback, %s', (_name, gossipKeys, label) => {
  it('find each other with their tags, see one killed and one leave', async () => {
    const make = (name: string): Promise<Swim> =>
      start({
        name,
        gossipKeys: [...gossipKeys],
        label,
        tags: { ta: `10.0.0.1:${name.length}`, rack: name },
      });
    const [a, b, c] = [await make('a'), await make('b'), await make('c')];
    const events: string[] = [];
    const reading = (async () => {
      for await (const { type, member } of a.events()) events.push(`${type} ${member?.name ?? ''}`);
    })();
    expect(await b.join([at(a)])).toBe(1);
    expect(await c.join([at(a), at(b)])).toBe(2);
    await until(() => [a, b, c].every((swim) => swim.alive().length === 3));
    expect(b.members().find(({ name }) => name === 'c')?.tags).toEqual({ ta: '10.0.0.1:1', rack: 'c' });
    await b.stop();
    await until(() => stateOf(a, 'b') === 'Dead' && stateOf(c, 'b') === 'Dead');
    await c.leave();
    await until(() => stateOf(a, 'c') === 'Left');
    await a.stop();
    await reading;
    expect(events).toEqual(
      ['Joined b', 'Joined c', 'Suspect b', 'Dead b', 'Left c', 'Left a'].slice(0, events.length),
    );
    expect(events.length).toBeGreaterThanOrEqual(5);
  });
});

describe('a join with the wrong key', () => {
  it.each([
    ['another key', [keyA], [keyB]],
    ['a key against none', [], [keyB]],
    ['none against a key', [keyA], []],
  ])('by %s says that the key is probably wrong, and changes nothing', async (_name, theirs, ours) => {
    const metrics = new MetricsRegistry();
    const seed = await start({ name: 'seed', gossipKeys: theirs }, { metrics });
    const joiner = await start({ name: 'joiner', gossipKeys: ours });
    const error = await failure(joiner.join([at(seed)]));
    expect(error.code).toBe('SWIM_KEY_MISMATCH');
    expect(error.line).toContain(at(seed));
    expect(error.line).toMatch(/gossip key is probably wrong/);
    expect(seed.members()).toHaveLength(1);
    expect(Object.keys(metrics.snapshot()).filter((key) => key.startsWith('streams_rejected'))).toHaveLength(
      1,
    );
  });

  it('does not show where the other has it among its older keys: rotation overlaps', async () => {
    const old = await start({ name: 'old', gossipKeys: [keyA, keyB] });
    const young = await start({ name: 'young', gossipKeys: [keyB, keyA] });
    expect(await young.join([at(old)])).toBe(1);
    await until(() => old.alive().length === 2 && young.alive().length === 2);
  });

  it('does not happen while keys are rotated live, step by step', async () => {
    const [a, b] = [
      await start({ name: 'a', gossipKeys: [keyA] }),
      await start({ name: 'b', gossipKeys: [keyA] }),
    ];
    expect(await b.join([at(a)])).toBe(1);
    await expect(a.changeKey('use', keyB)).rejects.toThrow(/not in the keyring/);
    await expect(a.changeKey('remove', keyA)).rejects.toThrow(/primary/);
    for (const change of ['install', 'use'] as const)
      for (const one of [a, b]) await one.changeKey(change, keyB);
    for (const one of [a, b]) await one.changeKey('remove', keyA);
    expect([a.gossipKeys(), b.gossipKeys()]).toEqual([[keyB], [keyB]]);
    a.setTags({ after: 'rotation' });
    await until(() => b.members().some(({ tags }) => tags['after'] === 'rotation'));
    expect(b.alive()).toHaveLength(2);
    const plain = await start({ name: 'plain' });
    expect(plain.gossipKeys()).toEqual([]);
    await expect(plain.changeKey('install', keyA)).rejects.toThrow(/not enabled/);
  });

  it('does not happen while a member rotates the keys of the whole pool, and keys outlive a restart', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'swim-'));
    folders.push(dataDir);
    const config = { gossipKeys: [keyA], keyring: { acceptRemote: true } };
    const [a, b] = [await start({ ...config, name: 'a' }), await start({ ...config, name: 'b', dataDir })];
    const deaf = await start({ name: 'deaf', gossipKeys: [keyA] });
    for (const one of [b, deaf]) await one.join([at(a)]);
    await until(() => [a, b, deaf].every((swim) => swim.alive().length === 3));
    const installed = await a.changePoolKey('install', keyB);
    expect([...installed.changed].sort()).toEqual(['a', 'b']);
    expect(installed.refused).toEqual([
      { member: 'deaf', reason: expect.stringMatching(/acceptRemote/) as string },
    ]);
    expect(installed.silent).toEqual([]);
    await deaf.leave();
    await until(() => [a, b].every((swim) => swim.alive().length === 2));
    for (const step of ['use', 'remove'] as const) {
      const { changed, refused, silent } = await a.changePoolKey(step, step === 'use' ? keyB : keyA);
      expect([[...changed].sort(), refused, silent]).toEqual([['a', 'b'], [], []]);
    }
    expect([a.gossipKeys(), b.gossipKeys()]).toEqual([[keyB], [keyB]]);
    await expect(a.changePoolKey('use', keyA)).rejects.toThrow(/not in the keyring/);
    const bind = b.self.address;
    await b.stop();
    // With the old key in its configuration, and no seed.
    const again = await start({ ...config, name: 'b', dataDir, bind });
    expect(again.gossipKeys()).toEqual([keyB]);
    await until(() => again.alive().length === 2 && a.alive().length === 2);
  });

  it('and by another label names the label', async () => {
    const seed = await start({ name: 'seed', label: 'east' });
    const joiner = await start({ name: 'joiner', label: 'west' });
    const error = await failure(joiner.join([at(seed)]));
    expect(error.message).toContain('another label');
  });
});

describe('garbage', () => {
  it('on the UDP and TCP port changes nothing but counters', async () => {
    const metrics = new MetricsRegistry();
    const seed = await start({ name: 'seed', gossipKeys: [keyA] }, { metrics });
    const { host, port } = seed.self.address;
    const socket = createSocket('udp4');
    const send = (bytes: Uint8Array): Promise<void> =>
      new Promise((resolve) => socket.send(bytes, port, host, () => resolve()));
    await send(Buffer.from('hello'));
    await send(encodeMessage({ type: 'suspect', incarnation: 1, node: 'seed', from: 'evil' }));
    await send(new Uint8Array(0));
    const stream = connect(port, host, () => stream.end('GET / HTTP/1.1\r\n\r\n'));
    stream.on('error', () => undefined);
    await until(
      () =>
        metrics.value('messages_received') === 3 &&
        metrics.value('streams_rejected', { reason: 'plaintext' }) === 1,
    );
    socket.close();
    expect(metrics.value('packets_rejected', { reason: 'key' })).toBe(2);
    expect(metrics.value('packets_rejected', { reason: 'truncated' })).toBe(1);
    expect(seed.members()).toHaveLength(1);
    expect(seed.self.incarnation).toBe(1);
  });
});

describe('starting', () => {
  it('on a port in use says so', async () => {
    const first = await start({ name: 'first' });
    const error = await failure(start({ name: 'second', bind: first.self.address }));
    expect(error.code).toBe('SWIM_PORT_IN_USE');
    expect(error.line).toContain(at(first));
  });

  it('again from the same folder begins above the old incarnation; a damaged file is named', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'swim-'));
    folders.push(dataDir);
    const first = await start({ name: 'n', dataDir });
    first.setTags({ a: 'b' });
    expect(first.self.incarnation).toBe(2);
    await first.stop();
    const second = await start({ name: 'n', dataDir });
    expect(second.self.incarnation).toBeGreaterThan(2);
    await second.stop();
    writeFileSync(join(dataDir, 'swim', 'incarnation'), 'nonsense');
    expect((await failure(start({ name: 'n', dataDir }))).code).toBe('SWIM_INCARNATION_DAMAGED');
  });

  it('in a folder that cannot be written says so', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'swim-')), 'file');
    folders.push(join(file, '..'));
    writeFileSync(file, '');
    const error = await failure(start({ name: 'n', dataDir: file }));
    expect(error.code).toMatch(/^DISK_/);
  });

  it('on IPv6, joined by a seed in brackets and by a name, works', async () => {
    const seed = await start({ name: 'six', bind: { host: '::1', port: 0 } });
    const other = await start({ name: 'other', bind: { host: '::1', port: 0 } });
    expect(await other.join([`[::1]:${seed.self.address.port}`])).toBe(1);
    const four = await start({ name: 'four' });
    const five = await start({ name: 'five' });
    expect(await five.join([`localhost:${four.self.address.port}`])).toBeGreaterThanOrEqual(1);
  });
});

describe('a join', () => {
  it('to nobody names the seed; with a malformed seed it does not begin', async () => {
    const alone = await start({ name: 'alone' });
    const error = await failure(alone.join(['127.0.0.1:1']));
    expect(error.code).toBe('SWIM_JOIN_FAILED');
    expect(error.message).toContain('127.0.0.1:1: ');
    expect((await failure(alone.join(['nonsense']))).code).toBe('SWIM_SEED_INVALID');
    expect((await failure(alone.join(['no-such-host.invalid:7946']))).message).toContain(
      'no-such-host.invalid:7946: ',
    );
  });

  it('can be aborted by its signal, and joins run one after another', async () => {
    const [alone, other] = [await start({ name: 'alone' }), await start({ name: 'other' })];
    const controller = new AbortController();
    const joining = alone.join([at(other)], { signal: controller.signal });
    const next = alone.join([at(other)]);
    await Promise.resolve();
    controller.abort();
    expect((await failure(joining)).code).toBe('SWIM_JOIN_ABORTED');
    expect(await next).toBe(1);
    await expect(alone.join([at(other)], { signal: controller.signal })).rejects.toThrow(/abort/i);
  });
});

describe('a trace of a live member', () => {
  it('replays to the same effects', async () => {
    const recorder = new ListRecorder();
    const config: SwimConfigInput = { name: 'traced', ...quick };
    const traced = await start(config, { tracer: new Tracer({ sink: recorder }) });
    const other = await start({ name: 'other' });
    await traced.join([at(other)]);
    await until(() => recorder.records.filter((record) => record.core === 'swim').length > 60);
    await traced.stop();
    const make = (): SwimCore =>
      new SwimCore({
        config: parseSwimConfig(config),
        seed: 0,
        meta: new Uint8Array(0),
        bytesOf: (message) => encodeMessage(message).length,
        envelopeBytes: 5,
        checksums: true,
      });
    const result = replay(recorder.records, 'traced', 'swim', make);
    expect(result.divergence).toBeNull();
    expect(result.steps).toBeGreaterThan(50);
  });
});

describe('the keyring', () => {
  const text = new TextEncoder().encode('gossip');
  const aad = new TextEncoder().encode('label');

  it('adds 29 bytes, opens with every key, and with none that is not its own', () => {
    const sealed = keyring([keyA]).seal(text, aad);
    expect(sealed.length).toBe(text.length + 29);
    expect(sealed[0]).toBe(1);
    expect(keyring([keyB, keyA]).open(sealed, aad)).toEqual(text);
    expect(keyring([keyB]).open(sealed, aad)).toBeNull();
    expect(keyring([keyA]).open(sealed, text)).toBeNull();
    for (let i = 0; i < sealed.length; i++) {
      const bent = sealed.slice();
      bent[i] = (bent[i] as number) ^ 4;
      expect(keyring([keyA]).open(bent, aad)).toBeNull();
    }
    expect(keyring([keyA]).open(sealed.subarray(0, 28), aad)).toBeNull();
  });

  it.each([
    ['not base64!', /is not base64/],
    [Buffer.alloc(20).toString('base64'), /has 20 bytes/],
  ])('refuses the key %j without repeating it', (key, why) => {
    const refuse = (): unknown => keyring([keyA, key]);
    expect(refuse).toThrow(why);
    expect(refuse).toThrow(/^Gossip key 2/);
    expect(refuse).not.toThrow(key);
  });
});

it('datacenters on real sockets meet through one join, and read each other’s members by datacenter', async () => {
  const running = await Promise.all(
    (
      [
        ['a1', 'east'],
        ['a2', 'east'],
        ['b1', 'west'],
        ['b2', 'west'],
      ] as const
    ).map(([name, datacenter]) =>
      startDatacenter({
        name,
        datacenter,
        floodPeriodMs: 200,
        lan: { ...quick, gossipKeys: [keyA] },
        wan: { gossipPeriodMs: 50, gossipKeys: [keyA] },
      }),
    ),
  );
  try {
    const [a1, a2, b1, b2] = running;
    if (!a1 || !a2 || !b1 || !b2) throw new Error('four have been started');
    expect(await a2.join([at(a1.lan)])).toBe(1);
    expect(await b2.join([at(b1.lan)])).toBe(1);
    expect(await a2.joinWan([at(b1.wan)])).toBe(1);
    await until(() => running.every(({ wan }) => wan.alive().length === 4));
    expect(running.map(({ lan }) => lan.members().length)).toEqual([2, 2, 2, 2]);
    a1.setTags({ rack: 'r1' });
    await until(() =>
      a2.lan.members().some(({ tags }) => tags['rack'] === 'r1' && tags['wan'] !== undefined),
    );
    const west = b2.datacenters().get('east') ?? [];
    expect(west.map(({ name }) => name).toSorted()).toEqual(['a1.east', 'a2.east']);
    // A wrong address does not bring the pools together.
    expect((await failure(a1.wan.join([at(b1.lan)]))).code).toBe('SWIM_LABEL_MISMATCH');
    await a2.leave();
    await until(() => stateOf(a1.lan, 'a2') === 'Left' && stateOf(b1.wan, 'a2.east') === 'Left');
  } finally {
    await Promise.all(running.map((one) => one.stop()));
  }
}, 30_000);
