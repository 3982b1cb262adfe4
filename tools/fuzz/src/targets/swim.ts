/**
 * Membership: packets and streams at the sockets of an engine. In the clear anybody may say anything and be believed, so nothing may
 * throw, hang or grow beyond its bound; with a key whoever has none changes nothing.
 */
import type { Address, Metrics, Prng } from '@cluster/core';
import { VirtualClock } from '@cluster/sim';
import { parseSwimConfig, SwimEngine } from '@cluster/swim';
import { keyring } from '@cluster/swim/node';
import { hostile, join, pieces } from '../hostile.ts';
import { lzwBomb } from '../lzw-bomb.ts';
import { DeafStream, MemoryNet } from '../memory-net.ts';
import { demand, type FuzzTarget, type Verdict } from '../target.ts';

const key = Buffer.alloc(32, 3).toString('base64');
const membersMax = 100;
const metadataBytesMax = 65_536;
const bombRate = 0.001;
const latin = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const stranger: Address = { host: '10.0.0.66', port: 7946 };

class Pool {
  readonly clock = new VirtualClock();
  readonly net = new MemoryNet(this.clock);
  readonly victim: SwimEngine;
  readonly packets: readonly Uint8Array[];
  readonly streams: readonly Uint8Array[];
  bug: string | null = null;
  rejections = 0;

  constructor(seed: number, gossipKeys: string[]) {
    const engines = ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((host, i) =>
      this.#start(host, seed + i, gossipKeys),
    );
    const [victim, ...others] = engines;
    demand(victim !== undefined, 'an engine has started');
    this.victim = victim;
    for (const other of others) other.join([{ host: '10.0.0.1', port: 7946 }], () => undefined);
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
    // Alone from here on: what it says is lost, and all it hears is hostile.
    this.net.isOpen = false;
    this.packets = this.net.packets;
    this.streams = this.net.ends.map(({ said }) => join(...said)).filter(({ length }) => length > 0);
    demand(this.packets.length > 50 && this.streams.length >= 4, 'there are samples');
  }

  #start(host: string, seed: number, gossipKeys: string[]): SwimEngine {
    const config = parseSwimConfig({
      name: host,
      bind: { host, port: 7946 },
      gossipKeys,
      membersMax,
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
      counter: (name) => (/reject|refus/.test(name) ? refusals : nothing),
      gauge: () => nothing,
      histogram: () => nothing,
    };
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
  make: (seed) => {
    const clear = new Pool(seed, []);
    const sealed = new Pool(seed, [key]);
    const before = sealed.state();
    const genuinePackets = new Set(sealed.packets.map(latin));
    const genuineStreams = sealed.streams.map(latin);
    /** A stream is genuine when its beginning is: what follows its one message is not looked at. */
    const isGenuine = (bytes: Uint8Array, isPacket: boolean): boolean =>
      isPacket
        ? genuinePackets.has(latin(bytes))
        : genuineStreams.some((one) => latin(bytes).startsWith(one));
    return {
      feed: (prng): Verdict => {
        const isPacket = prng.chance(0.7);
        const pool = prng.chance(0.5) ? clear : sealed;
        const from = prng.chance(0.5) ? clear : sealed;
        // Rarely, because unfolding what may be unfolded takes a while.
        const bytes = prng.chance(bombRate)
          ? lzwBomb(prng.pick([100, 8000, 60_000]) ?? 100)
          : hostile(prng, isPacket ? from.packets : from.streams);
        if (pool === sealed && isGenuine(bytes, isPacket)) return 'rejected';
        const rejectionsBefore = pool.rejections;
        pool.say(prng, bytes, isPacket);
        demand(pool.bug === null, `the engine failed: ${pool.bug}`);
        if (pool === sealed) {
          demand(sealed.state() === before, 'without the key nothing changes and nothing is answered');
          return 'rejected';
        }
        clear.clock.advance(1);
        demand(clear.victim.members().length <= membersMax, 'members are bounded');
        demand((clear.victim.metadata?.bytes ?? 0) <= metadataBytesMax, 'metadata is bounded');
        return clear.rejections > rejectionsBefore ? 'rejected' : 'taken';
      },
    };
  },
};
