/**
 * Membership: packets and streams at the sockets of an engine. In the clear anybody may say anything and be believed, so nothing may
 * throw, hang or grow beyond its bound; with a key whoever has none changes nothing.
 */
import type { Address, Metrics, Prng } from '@cluster/core';
import { VirtualClock } from '@cluster/sim';
import { parseSwimConfig, SwimEngine } from '@cluster/swim';
import { keyring } from '@cluster/swim/node';
import { forgedClaims } from '../forged-claims.ts';
import { forgedMetadata, overStream } from '../forged-metadata.ts';
import { hostile, join, pieces } from '../hostile.ts';
import { lzwBomb } from '../lzw-bomb.ts';
import { DeafStream, MemoryNet } from '../memory-net.ts';
import { demand, type FuzzTarget, type Verdict } from '../target.ts';

const key = Buffer.alloc(32, 3).toString('base64');
const membersMax = 100;
const metadataBytesMax = 65_536;
const bombRate = 0.0005;
const metadataRate = 0.1;
// A life of a map is of 32 bits: one above could not be told to anybody.
const lifeMax = 0xffff_ffff;
// Unfolding takes time in proportion; the bound is the same at any size.
const inflateBytesMax = 1 << 20;
// What every long run has to have reached: each layer of the wire, and each way to be refused there.
const mustReach: readonly string[] = [
  ...['address', 'checksum', 'compression', 'field', 'incarnation', 'key', 'label', 'nesting'].map(
    (reason) => `packets/${reason}`,
  ),
  ...['too_large', 'truncated', 'type', 'versions'].map((reason) => `packets/${reason}`),
  ...['compression', 'field', 'key', 'too_large', 'truncated', 'type', 'unreachable', 'versions'].map(
    (reason) => `streams/${reason}`,
  ),
  'taken/clear',
  'taken/holder',
  // Forged versions, names and deletions in metadata: refused for what they are, and some believed.
  'metadata/refused',
  'metadata/believed',
];
const hosts = ['10.0.0.1', '10.0.0.2', '10.0.0.3'];
const latin = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const stranger: Address = { host: '10.0.0.66', port: 7946 };

class Pool {
  readonly clock = new VirtualClock();
  readonly net = new MemoryNet(this.clock);
  readonly victim: SwimEngine;
  readonly packets: readonly Uint8Array[];
  readonly streams: readonly Uint8Array[];
  readonly #ownMetadata: string;
  bug: string | null = null;
  rejections = 0;
  /** Keys of others' maps that changed. */
  metadataChanges = 0;
  /** How often what was refused, by channel and reason. */
  readonly reasons = new Map<string, number>();

  constructor(seed: number, gossipKeys: string[]) {
    const engines = hosts.map((host, i) => this.#start(host, seed + i, gossipKeys));
    const [victim, ...others] = engines;
    demand(victim !== undefined, 'an engine has started');
    this.victim = victim;
    for (const other of others) other.join([{ host: '10.0.0.1', port: 7946 }], () => undefined);
    this.clock.advance(5000);
    // Of the Serf layer: events, questions with answers, acks and relays.
    victim.onQuery('load', (_query, respond) => respond(new Uint8Array(20)));
    others[0]?.sendEvent('deploy', new Uint8Array(30));
    const sink = { answer: () => undefined, finished: () => undefined };
    const request = { name: 'load', payload: new Uint8Array(9), filters: [], acks: true, relayFactor: 1 };
    others[1]?.query({ ...request, timeoutMs: 2000 }, sink);
    others[0]?.query(
      { ...request, filters: [{ kind: 'tag', tag: 'dc', pattern: '^x' }], timeoutMs: null },
      sink,
    );
    this.clock.advance(5000);
    others[0]?.setTags({ ta: '10.0.0.2:7000', dc: 'x' });
    // In packets and, where it is large, over streams.
    for (const { metadata } of engines) {
      metadata?.set('short', new Uint8Array(20));
      metadata?.set('long', new Uint8Array(3000));
    }
    this.clock.advance(2000);
    for (const { metadata } of engines) metadata?.delete('short');
    others[1]?.leave(() => undefined);
    this.clock.advance(5000);
    demand(victim.members().length === 3, 'the engines have found each other');
    victim.metadata?.onChange(() => void this.metadataChanges++);
    this.#ownMetadata = ownText(victim);
    demand(this.#ownMetadata.includes('long'), 'the victim has written');
    // Alone from here on: what it says is lost, and all it hears is hostile.
    this.net.isOpen = false;
    this.packets = gossipKeys.length > 0 ? this.net.packets : [...this.net.packets, ...forgedClaims(hosts)];
    this.streams = this.net.ends.map(({ said }) => join(...said)).filter(({ length }) => length > 0);
    demand(this.packets.length > 50 && this.streams.length >= 4, 'there are samples');
  }

  #start(host: string, seed: number, gossipKeys: string[]): SwimEngine {
    const config = parseSwimConfig({
      name: host,
      bind: { host, port: 7946 },
      gossipKeys,
      membersMax,
      inflateBytesMax,
      metadata: { totalBytesMax: metadataBytesMax, ownerBytesMax: 8192 },
    });
    const engine = new SwimEngine(config, {
      clock: this.clock,
      datagrams: this.net.datagrams(),
      streams: this.net.streams(),
      seed,
      cipher: gossipKeys.length > 0 ? keyring(gossipKeys) : undefined,
      metrics: this.#metrics(),
      logger: { log: (level, message) => void (level === 'error' && (this.bug = message)) },
    });
    engine.start(() => undefined);
    return engine;
  }

  /** Counts refusals, whatever their reason. */
  #metrics(): Metrics {
    const nothing = { add: () => undefined, set: () => undefined, observe: () => undefined };
    const refusals = { add: () => void this.rejections++ };
    return {
      counter: (name, options) => {
        const reason = options?.labels?.['reason'];
        if (reason === undefined) return /reject|refus/.test(name) ? refusals : nothing;
        const key = `${name.replace('_rejected', '')}/${reason}`;
        return {
          add: () => {
            this.rejections++;
            this.reasons.set(key, (this.reasons.get(key) ?? 0) + 1);
          },
        };
      },
      gauge: () => nothing,
      histogram: () => nothing,
    };
  }

  /** Whoever is believed may change what is known of others, within bounds, and never what the victim says of itself. */
  checkMetadata(): void {
    const { metadata } = this.victim;
    if (metadata === null) return;
    demand(metadata.bytes <= metadataBytesMax, 'metadata is bounded');
    demand(metadata.owners().length <= membersMax, 'owners of metadata are members');
    for (const owner of metadata.owners())
      demand(metadata.map(owner).version.epoch <= lifeMax, 'lives of maps fit the wire');
    demand(ownText(this.victim) === this.#ownMetadata, 'nobody else writes our map');
  }

  say(prng: Prng, bytes: Uint8Array, isPacket: boolean): void {
    if (isPacket) {
      this.net.receivers.get('10.0.0.1')?.onMessage(bytes, stranger);
      return;
    }
    const stream = new DeafStream(stranger);
    this.net.listeners.get('10.0.0.1')?.(stream);
    for (const piece of pieces(prng, bytes)) if (!stream.isOver) stream.handlers.onData(piece);
    if (!stream.isOver) stream.handlers.onEnd();
    stream.handlers.onClose(null);
  }

  state(): string {
    const members = this.victim
      .members()
      .map(({ name, state, incarnation, address, tags }) => [name, state, incarnation, address, tags]);
    return JSON.stringify([members, this.net.sent]);
  }
}

export const swimTarget: FuzzTarget = {
  name: 'swim',
  mustReach,
  make: (seed) => {
    const clear = new Pool(seed, []);
    const sealed = new Pool(seed, [key]);
    // Whoever holds the key is believed, as anybody is in the clear; but his bytes come through the cipher.
    const held = new Pool(seed, [key]);
    const ring = keyring([key]);
    const before = sealed.state();
    const genuinePackets = new Set(sealed.packets.map(latin));
    const genuineStreams = sealed.streams.map(latin);
    const taken = { clear: 0, holder: 0 };
    const metadata = { refused: 0, believed: 0 };
    const forge = (prng: Prng, isPacket: boolean): Uint8Array => {
      const packet = forgedMetadata(prng, hosts);
      return isPacket ? packet : overStream(packet);
    };
    /** A stream is genuine when its beginning is: what follows its one message is not looked at. */
    const isGenuine = (bytes: Uint8Array, isPacket: boolean): boolean => {
      const text = latin(bytes);
      return isPacket ? genuinePackets.has(text) : genuineStreams.some((one) => text.startsWith(one));
    };
    const make = (prng: Prng, from: Pool, isPacket: boolean): Uint8Array =>
      prng.chance(bombRate)
        ? lzwBomb(prng.pick([100, 8000, 60_000]) ?? 100)
        : hostile(prng, isPacket ? from.packets : from.streams);
    const feedSealed = (prng: Prng, isPacket: boolean): Verdict => {
      const bytes = make(prng, prng.chance(0.5) ? clear : sealed, isPacket);
      if (isGenuine(bytes, isPacket)) return 'rejected';
      sealed.say(prng, bytes, isPacket);
      demand(sealed.bug === null, `the engine failed: ${sealed.bug}`);
      demand(sealed.state() === before, 'without the key nothing changes and nothing is answered');
      return 'rejected';
    };
    const feedBelieving = (prng: Prng, pool: Pool, isPacket: boolean): Verdict => {
      const isForged = prng.chance(metadataRate);
      const bytes = isForged ? forge(prng, isPacket) : make(prng, clear, isPacket);
      const rejectionsBefore = pool.rejections;
      const changesBefore = pool.metadataChanges;
      pool.say(prng, pool === held ? seal(ring, bytes, isPacket) : bytes, isPacket);
      demand(pool.bug === null, `the engine failed: ${pool.bug}`);
      pool.clock.advance(1);
      demand(pool.victim.members().length <= membersMax, 'members are bounded');
      if (isForged) {
        pool.checkMetadata();
        if (pool.rejections > rejectionsBefore) metadata.refused++;
        if (pool.metadataChanges > changesBefore) metadata.believed++;
      }
      if (pool.rejections > rejectionsBefore) return 'rejected';
      taken[pool === held ? 'holder' : 'clear']++;
      return 'taken';
    };
    return {
      feed: (prng): Verdict => {
        const isPacket = prng.chance(0.7);
        if (prng.chance(0.4)) return feedSealed(prng, isPacket);
        return feedBelieving(prng, prng.chance(0.6) ? clear : held, isPacket);
      },
      reached: () => {
        const sum = new Map([
          ['taken/clear', taken.clear],
          ['taken/holder', taken.holder],
          ['metadata/refused', metadata.refused],
          ['metadata/believed', metadata.believed],
        ]);
        for (const { reasons } of [clear, sealed, held])
          for (const [reason, count] of reasons) sum.set(reason, (sum.get(reason) ?? 0) + count);
        return Object.fromEntries([...sum].sort(([a], [b]) => (a < b ? -1 : 1)));
      },
    };
  },
};

/** What a member has written of itself. */
function ownText(engine: SwimEngine): string {
  const { metadata } = engine;
  const entries = metadata === null ? [] : [...metadata.map(engine.self().name).entries];
  // Deletions are forgotten in time.
  const shown = entries.filter(([, { value }]) => value !== null);
  return JSON.stringify(shown.map(([key, { value }]) => [key, value?.length]));
}

/** As a holder of the key would send it. */
function seal(ring: ReturnType<typeof keyring>, bytes: Uint8Array, isPacket: boolean): Uint8Array {
  const label = new Uint8Array(0);
  if (isPacket) return ring.seal(bytes, label);
  const header = new Uint8Array(5);
  header[0] = 10;
  new DataView(header.buffer).setUint32(1, bytes.length + ring.overheadBytes);
  return join(header, ring.seal(bytes, header));
}
