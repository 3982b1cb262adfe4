/**
 * The transport's engine at its streams: hostile bytes before a peer is admitted, after it, and from peers whose certificate was
 * refused. Nothing throws, a refused peer is never admitted, and memory stays bounded.
 */
import type { Address } from '@cluster/core';
import { VirtualClock } from '@cluster/sim';
import {
  FrameParser,
  type SecureStream,
  type SecureStreamPort,
  TransportEngine,
  type Certified,
} from '@cluster/transport';
import { hostile, join, pieces } from '../hostile.ts';
import { DeafStream } from '../memory-net.ts';
import { demand, type FuzzTarget, type Verdict } from '../target.ts';

const clusterName = 'prod';
const nobody: Address = { host: '10.0.0.66', port: 1 };
const typeId = 64;

class FuzzStream extends DeafStream implements SecureStream {
  readonly certified: Certified;
  onWrite: (bytes: Uint8Array) => void = () => undefined;

  constructor(certified: Certified) {
    super(nobody);
    this.certified = certified;
  }

  override write(bytes: Uint8Array): boolean {
    this.onWrite(bytes.slice());
    return super.write(bytes);
  }
}

const certified = (id: string): Certified => ({ identity: { clusterName, role: 'node', id }, refusal: null });
const refused: Certified = {
  identity: null,
  refusal: { code: 'TRANSPORT_CERTIFICATE_EXPIRED', reason: 'r' },
};

class Victim {
  readonly clock = new VirtualClock();
  readonly engine: TransportEngine;
  accept: (stream: SecureStream) => void = () => undefined;
  bug: string | null = null;
  handled = 0;
  #boots = 0;

  constructor(seed: number) {
    const streams: SecureStreamPort = {
      listen: (local, accept, _reject, done) => {
        this.accept = accept;
        done({ ok: true, value: { local, close: () => undefined } });
      },
      dial: () => undefined,
    };
    this.engine = this.boot('b', seed, streams);
    this.engine.handle(typeId, (bytes, _context, answer) => {
      this.handled++;
      answer({ ok: true, value: bytes.slice() });
    });
    this.engine.start(() => undefined);
  }

  boot(nodeId: string, seed: number, streams: SecureStreamPort): TransportEngine {
    return new TransportEngine(
      {
        nodeId,
        clusterName,
        bind: nodeId === 'b' ? { host: '10.0.0.1', port: 7000 } : null,
        messageBytesMax: 65_536,
      },
      {
        clock: this.clock,
        streams,
        directory: { lookup: () => nobody },
        seed,
        bootId: `boot${++this.#boots}`,
        logger: { log: (level, message) => void (level === 'error' && (this.bug = message)) },
      },
    );
  }

  /** What a genuine peer says on a connection, in order: its greeting first. */
  record(seed: number): readonly Uint8Array[] {
    const said: Uint8Array[] = [];
    const x = this.boot('x', seed, {
      listen: () => undefined,
      dial: (_remote, handlers, _timeoutMs, done) => {
        const near = new FuzzStream(certified('b'));
        const far = new FuzzStream(certified('x'));
        near.handlers = handlers;
        near.onWrite = (bytes) => {
          said.push(bytes);
          this.clock.setTimer(1, () => far.handlers.onData(bytes.slice()));
        };
        far.onWrite = (bytes) => void this.clock.setTimer(1, () => near.handlers.onData(bytes.slice()));
        this.accept(far);
        done({ ok: true, value: near });
      },
    });
    x.start(() => undefined);
    for (const length of [3, 300, 30_000]) x.call('b', typeId, new Uint8Array(length), {}, () => undefined);
    this.clock.advance(5000);
    demand(this.handled === 3 && said.length >= 2, 'a genuine peer was served');
    return said;
  }
}

export const transportTarget: FuzzTarget = {
  name: 'transport',
  make: (seed) => {
    // Recorded at another engine, so that to the victim it is a peer's first word.
    const said = new Victim(seed).record(seed);
    const [greeting = new Uint8Array(0), ...frames] = said;
    const whole = join(...said);
    const victim = new Victim(seed);
    const samples = [whole, greeting, ...frames];
    return {
      feed: (prng): Verdict => {
        const bytes = prng.chance(0.5) ? join(greeting, hostile(prng, frames)) : hostile(prng, samples);
        const parser = new FrameParser(65_536, { onFrame: () => true });
        let isWrong = false;
        for (const piece of pieces(prng, bytes)) if (!isWrong) isWrong = parser.push(piece) !== null;
        demand(parser.pendingBytes <= 65_536 + 64, 'a parser holds back one frame at most');

        const isStranger = prng.chance(0.2);
        const stream = new FuzzStream(isStranger ? refused : certified(prng.pick(['x', 'y']) ?? 'x'));
        const peers = victim.engine.peers().length;
        const { handled } = victim;
        victim.accept(stream);
        for (const piece of pieces(prng, bytes)) if (!stream.isOver) stream.handlers.onData(piece);
        victim.clock.advance(1);
        const wasRefused = stream.isOver;
        stream.handlers.onClose(null);
        victim.clock.advance(prng.chance(0.01) ? 20_000 : 1);
        demand(victim.bug === null, `the engine failed: ${victim.bug}`);
        if (isStranger)
          demand(
            victim.engine.peers().length <= peers && victim.handled === handled,
            'a peer without a good certificate reaches nothing',
          );
        demand(victim.engine.peers().length <= 2, 'peers are those with certificates');
        return wasRefused || isWrong || isStranger ? 'rejected' : 'taken';
      },
    };
  },
};
