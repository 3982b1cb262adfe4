/** Peers with a good certificate and bad manners. */
import { describe, expect, it } from 'vitest';
import {
  encodeFrame,
  flagBits,
  frameTypes,
  headerBytes,
  type PeerIdentity,
  type SecureStream,
  writeHeader,
} from '@cluster/transport';
import { type Booted, type BootOptions, EngineWorld, number, toNumber } from './engine-world.ts';
import { greeting } from './greeting.ts';

const type = 64;
const hello = (changes = {}): Uint8Array => encodeFrame(frameTypes.hello, greeting(changes));

function frame(
  frameType: number,
  sequence: number,
  body: Uint8Array = new Uint8Array(0),
  stream = 0,
): Uint8Array {
  const bytes = new Uint8Array(headerBytes + body.length);
  writeHeader(bytes, 0, body.length, frameType, 2, type, stream, sequence);
  bytes.set(body, headerBytes);
  return bytes;
}

/** What `x` has begun to say. */
interface Spoken {
  readonly ended: boolean;
  more(...said: Uint8Array[]): void;
  /** Of the frames that it has heard. */
  types(): unknown[];
  /** The stream of the first frame of that type that it has heard. */
  streamOf(frameType: number): number;
}

/** Where each frame begins. */
function framesIn(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer);
  const frames: number[] = [];
  for (let at = 0; at < bytes.length; at += headerBytes + view.getUint32(at)) frames.push(at);
  return frames;
}

const typesOf = (bytes: Uint8Array): unknown[] => framesIn(bytes).map((at) => bytes[at + 4]);

function streamOf(bytes: Uint8Array, frameType: number): number {
  const at = framesIn(bytes).find((from) => bytes[from + 4] === frameType);
  if (at === undefined) throw new Error(`no frame of type ${frameType}`);
  return new DataView(bytes.buffer).getUint32(at + 8);
}

/** A node `b`, which keeps what it has handled, and strangers who say what they like to it. */
class Stage {
  readonly world = new EngineWorld(1);
  readonly handled: number[] = [];
  readonly b: Booted;

  constructor(options: BootOptions = {}) {
    this.b = this.world.boot('b', options);
    this.b.engine.handle(type, (bytes, _context, answer) => {
      this.handled.push(bytes.length < 4 ? -1 : toNumber(bytes));
      answer({ ok: true, value: undefined });
    });
  }

  /** `x` says this; what became of its connection. */
  say(...said: Uint8Array[]): Spoken {
    return this.sayAs({ clusterName: 'prod', role: 'node', id: 'x' }, ...said);
  }

  /** Who has this certificate says it. */
  sayAs(identity: PeerIdentity, ...said: Uint8Array[]): Spoken {
    let ended = false;
    const heard: number[] = [];
    let stream: SecureStream | null = null;
    const end = (): void => void (ended = true);
    const port = this.world.network.port(identity);
    const onData = (bytes: Uint8Array): void => void heard.push(...bytes);
    const handlers = { onData, onEnd: end, onClose: end };
    const more = (...words: Uint8Array[]): void => {
      for (const bytes of words) stream?.write(bytes);
      this.world.run(50);
    };
    port.dial({ host: 'memory', port: this.world.portOf('b') }, handlers, 1000, (dialled) => {
      if (!dialled.ok) return;
      stream = dialled.value;
      for (const bytes of said) stream.write(bytes);
    });
    this.world.run(50);
    return {
      get ended() {
        return ended;
      },
      more,
      types: () => typesOf(Uint8Array.from(heard)),
      streamOf: (frameType) => streamOf(Uint8Array.from(heard), frameType),
    };
  }
}

describe('oversized and negative lengths', () => {
  // The second half is negative where a number of 32 bits has a sign.
  it.each([73_729, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff])(
    'of %i bytes end the connection before anything is allocated',
    (length) => {
      const allocated: number[] = [];
      const allocate = (bytes: number): Uint8Array => {
        allocated.push(bytes);
        return new Uint8Array(bytes);
      };
      const stage = new Stage({ allocate });
      const header = new Uint8Array(headerBytes);
      writeHeader(header, 0, length, frameTypes.message, 2, type, 0, 1);
      const before = allocated.length;
      expect(stage.say(hello(), header).ended).toBe(true);
      // Its own answer takes a block of the usual size.
      expect(Math.max(0, ...allocated.slice(before))).toBeLessThan(73_729);
      expect(stage.b.metrics.value('frames_rejected', { reason: 'oversized' })).toBe(1);
      expect(stage.handled).toEqual([]);
    },
  );

  it('of a message in chunks end it too, by what its first chunk claims', () => {
    const stage = new Stage();
    const chunk = frame(frameTypes.chunk, 1, new Uint8Array(65_536), 0xffff_ffff);
    chunk[6] = 0;
    chunk[7] = 0;
    expect(stage.say(hello(), chunk).ended).toBe(true);
    expect(stage.b.metrics.value('frames_rejected', { reason: 'oversized' })).toBe(1);
  });
});

describe('large answers', () => {
  const MiB = 1024 * 1024;
  /** The frames of an answer: it begins with a chunk that claims so many bytes. */
  function answer(priority: number, sequence: number, claimed = 16 * MiB): Uint8Array {
    const chunk = frame(frameTypes.chunk, sequence, new Uint8Array(65_536));
    writeHeader(chunk, 0, 65_536, frameTypes.chunk, priority, 1, claimed, sequence);
    return chunk;
  }
  function stage(): { stage: Stage; large: number[] } {
    const large: number[] = [];
    const allocate = (bytes: number): Uint8Array => {
      if (bytes >= MiB) large.push(bytes);
      return new Uint8Array(bytes);
    };
    return { stage: new Stage({ allocate }), large };
  }

  it('that nobody has asked for are passed over: nothing is gathered, whatever they claim', () => {
    const { stage: one, large } = stage();
    const chunks = [0, 1, 2, 3].map((priority) => answer(priority, priority + 1));
    expect(one.say(hello(), ...chunks, frame(frameTypes.message, 5, number(1))).ended).toBe(false);
    expect(large).toEqual([]);
    expect(one.handled).toEqual([1]);
  });

  it('to a request are gathered, one of its priority; when all requests have ended, no more', () => {
    const { stage: one, large } = stage();
    const x = one.say(hello());
    const outcomes: string[] = [];
    one.b.engine.call('x', type, number(1), { priority: 'Low', timeoutMs: 500 }, (outcome) => {
      outcomes.push(outcome.ok ? `${outcome.value.length} bytes` : outcome.error.code);
    });
    one.world.run(50);
    expect(x.types()).toContain(frameTypes.request);
    // In other priorities nothing was asked, a ping is no question, and of each there is one lane.
    one.b.engine.ping('x', 500, () => undefined);
    x.more(answer(0, 1), answer(2, 2));
    expect(large).toEqual([]);
    x.more(answer(3, 3, MiB));
    expect(large).toEqual([MiB]);
    one.world.run(600);
    expect(outcomes).toEqual(['TRANSPORT_TIMEOUT']);
    const givenUp = new Uint8Array(headerBytes);
    writeHeader(givenUp, 0, 0, frameTypes.void, flagBits.completes | 3, 1, 0, 4);
    x.more(givenUp, answer(3, 5));
    expect(large).toEqual([MiB]);
    expect(x.ended).toBe(false);
  });

  it("that began before anything was asked are nobody's answer, wherever they end", () => {
    const { stage: one } = stage();
    const x = one.say(hello(), answer(2, 1, 70_000));
    const outcomes: string[] = [];
    one.b.engine.call('x', type, number(1), {}, (outcome) => {
      outcomes.push(outcome.ok ? `${outcome.value.length} bytes` : outcome.error.code);
    });
    one.world.run(50);
    const stream = x.streamOf(frameTypes.request);
    const last = (sequence: number): Uint8Array => {
      const bytes = frame(frameTypes.response, sequence, new Uint8Array(70_000 - 65_536), stream);
      bytes[5] = 2 | flagBits.completes;
      return bytes;
    };
    x.more(last(2));
    expect(outcomes).toEqual([]);
    x.more(answer(2, 3, 70_000), last(4));
    expect(outcomes).toEqual(['70000 bytes']);
    // They have to add up all the same.
    x.more(answer(2, 5, 200_000), answer(2, 6, 200_001));
    expect(x.ended).toBe(true);
  });
});

describe('a certificate of the right authority', () => {
  const prod = { clusterName: 'prod', role: 'node', id: 'b' } as const;

  it.each([
    ['for another node', { ...prod, id: 'c' }, 'TRANSPORT_IDENTITY_MISMATCH'],
    ['for a client of the name', { ...prod, role: 'client' as const }, 'TRANSPORT_IDENTITY_MISMATCH'],
    ['for another cluster', { ...prod, clusterName: 'test' }, 'TRANSPORT_CLUSTER_MISMATCH'],
  ])('%s: who is dialled is told so and nothing else, whatever it says', (_what, identity, code) => {
    const world = new EngineWorld(1);
    const a = world.boot('a', { dialAttemptsMax: 1 });
    const heard: number[] = [];
    const accept = (stream: SecureStream): void => {
      stream.handlers = {
        onData: (bytes) => void heard.push(...bytes),
        onEnd: () => undefined,
        onClose: () => undefined,
      };
      // It takes whatever comes for meant for it.
      for (const nodeId of ['c', 'b']) {
        const ack = greeting({ nodeId, expectedId: 'a', sessionId: 'p1', proposedId: null });
        stream.write(encodeFrame(frameTypes.helloAck, ack));
      }
    };
    const nothing = (): void => undefined;
    world.network
      .port(identity)
      .listen({ host: 'memory', port: world.portOf('b') }, accept, nothing, nothing);
    const codes: string[] = [];
    a.engine.call('b', type, number(1), {}, (outcome) => void (outcome.ok || codes.push(outcome.error.code)));
    world.run(500);
    expect(codes).toEqual([code]);
    expect(a.events).toEqual([]);
    expect(typesOf(Uint8Array.from(heard))).toEqual([frameTypes.refused]);
  });

  it.each([
    ['for another node', { ...prod, id: 'c' }, 'identity_mismatch'],
    ['for another cluster', { ...prod, clusterName: 'test', id: 'x' }, 'cluster_mismatch'],
  ])('%s: who has dialled is told so and nothing else, whatever it says', (_what, identity, reason) => {
    const stage = new Stage();
    // It says that it is x, of this cluster.
    const x = stage.sayAs(identity, hello(), frame(frameTypes.message, 1, number(1)));
    expect(x.ended).toBe(true);
    expect(x.types()).toEqual([frameTypes.refused]);
    expect(stage.b.metrics.value('connections_rejected', { reason })).toBe(1);
    expect(stage.handled).toEqual([]);
    expect(stage.b.engine.peers()).toEqual([]);
  });
});

describe('silence in the middle of the handshake', () => {
  it.each<[string, Uint8Array]>([
    ['before the HELLO', new Uint8Array(0)],
    ['in its header', hello().subarray(0, 9)],
    ['in its body', hello().subarray(0, 100)],
  ])('%s frees its place when the time is over', (_where, bytes) => {
    const stage = new Stage({ handshakesMax: 1, handshakeTimeoutMs: 1000 });
    const silent = stage.say(bytes);
    expect(stage.say(hello(), frame(frameTypes.message, 1)).ended).toBe(true);
    expect(stage.b.metrics.value('connections_rejected', { reason: 'too_many_connections' })).toBe(1);
    stage.world.run(3000);
    expect(silent.ended).toBe(true);
    expect(stage.b.metrics.value('connections_rejected', { reason: 'handshake_timeout' })).toBe(1);
    expect(stage.say(hello(), frame(frameTypes.message, 1)).ended).toBe(false);
    expect(stage.handled).toEqual([-1]);
  });

  it('of a listener ends the dial, and the caller learns why', () => {
    const world = new EngineWorld(1);
    const a = world.boot('a', { handshakeTimeoutMs: 1000, dialAttemptsMax: 1 });
    const silent = world.network.port({ clusterName: 'prod', role: 'node', id: 'b' });
    const accepted: SecureStream[] = [];
    const at = { host: 'memory', port: world.portOf('b') };
    silent.listen(
      at,
      (stream) => void accepted.push(stream),
      () => undefined,
      () => undefined,
    );
    const codes: string[] = [];
    a.engine.call('b', type, number(1), {}, (outcome) => void (outcome.ok || codes.push(outcome.error.code)));
    world.run(900);
    expect(codes).toEqual([]);
    world.run(200);
    expect(accepted).toHaveLength(1);
    expect(codes).toEqual(['TRANSPORT_HANDSHAKE_TIMEOUT']);
    expect(a.logged).toContainEqual(expect.objectContaining({ code: 'TRANSPORT_HANDSHAKE_TIMEOUT' }));
  });
});

describe('duplicated and replayed frames', () => {
  const said = [1, 2, 3].map((i) => frame(frameTypes.message, i, number(i)));

  it('are handled once, on one connection and over several', () => {
    const stage = new Stage();
    stage.say(hello(), ...said, ...said);
    // A whole recorded connection again, its HELLO included: it goes on with the session that this HELLO began.
    stage.say(hello(), ...said);
    stage.say(hello(), ...said, frame(frameTypes.message, 4, number(4)));
    expect(stage.handled).toEqual([1, 2, 3, 4]);
    expect(stage.b.metrics.value('duplicates_dropped')).toBe(9);
  });

  /** Everything that `x` has said, once more; what is counted of it. */
  function replay(stage: Stage, reason: string): number {
    stage.say(hello(), ...said);
    return stage.b.metrics.value('connections_rejected', { reason });
  }

  it('of a session that is over are refused, until that is too long ago to be remembered', () => {
    const stage = new Stage({ resumeTimeoutMs: 1000, pastSessionsMs: 60_000 });
    stage.say(hello(), ...said);
    stage.world.network.cutAll();
    stage.world.run(5000);
    expect(replay(stage, 'session_ended')).toBe(1);
    expect(stage.handled).toEqual([1, 2, 3]);
    expect(stage.b.logged).toContainEqual(
      expect.objectContaining({ message: 'a connection was rejected', code: 'TRANSPORT_SESSION_ENDED' }),
    );
    // The same process begins another session whenever it likes.
    expect(stage.say(hello({ sessionId: 'p1', proposedId: 'p2' }), ...said).ended).toBe(false);
    expect(stage.handled).toEqual([1, 2, 3, 1, 2, 3]);
    stage.world.network.cutAll();
    stage.world.run(70_000);
    expect(replay(stage, 'session_ended')).toBe(1);
    expect(stage.handled).toHaveLength(9);
  });

  it('of a boot that another has followed are refused, whatever session they propose', () => {
    const stage = new Stage();
    stage.say(hello(), ...said);
    stage.say(hello({ bootId: 'x2', proposedId: 'p2' }), ...said);
    expect(replay(stage, 'boot_ended')).toBe(1);
    stage.say(hello({ proposedId: 'p3' }), ...said);
    expect(stage.b.metrics.value('connections_rejected', { reason: 'boot_ended' })).toBe(2);
    expect(stage.handled).toEqual([1, 2, 3, 1, 2, 3]);
    // The boot that is there is not disturbed.
    expect(stage.b.engine.peers()).toMatchObject([{ peer: 'x', pool: 'connected' }]);
  });

  it('are remembered up to a number: the oldest are forgotten first', () => {
    const stage = new Stage({ resumeTimeoutMs: 1000, pastSessionsMax: 16 });
    for (let i = 1; i <= 17; i++) stage.say(hello({ proposedId: `p${i}` }), ...said);
    // The last is under way; of those before it, the first has been there for as long as can be.
    expect(replay(stage, 'session_ended')).toBe(1);
    stage.say(hello({ proposedId: 'p18' }));
    expect(replay(stage, 'session_ended')).toBe(1);
    expect(stage.handled).toHaveLength(18 * 3);
  });
});

describe('half-open connections', () => {
  it('are noticed by the side that still believes in them, and what waits is resent on the next', () => {
    const world = new EngineWorld(1);
    const [a, b] = [world.boot('a'), world.boot('b')];
    const handled: number[] = [];
    b.engine.handle(type, (bytes, _context, answer) => {
      handled.push(toNumber(bytes));
      answer({ ok: true, value: undefined });
    });
    a.engine.post('b', type, number(1));
    world.run(50);
    world.network.swallowAll();
    a.engine.post('b', type, number(2));
    world.run(4000);
    expect(handled).toEqual([1]);
    world.run(6000);
    expect(handled).toEqual([1, 2]);
    expect(a.events).toMatchObject([
      { type: 'up', reason: 'connected' },
      { type: 'down', reason: 'TRANSPORT_PEER_SILENT' },
      { type: 'up', reason: 'resumed' },
    ]);
  });
});
