/** The work that is measured, the same for every contender. */
import { randomBytes } from 'node:crypto';
import type { Link } from './contender.ts';
import { decode, encode, keys, kinds } from './message.ts';
import { mixedLoad } from './mixed.ts';

export interface Load {
  /** `mixed`: as `mixedLoad` has it, whatever the rest says. */
  readonly kind: 'posts' | 'requests' | 'mixed';
  readonly payloadBytes: number;
  /** Requests under way at any time. */
  readonly inFlight: number;
  readonly warmMs: number;
  readonly runMs: number;
}

export interface LoadResult {
  readonly perSecond: number;
  /** Of requests, in ms; of the mixed load those of Critical. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Messages or requests altogether, those of the warm-up included. */
  readonly operations: number;
  /** Of the mixed load alone; else 0. */
  readonly stallMs: number;
  readonly bulkBytesPerSecond: number;
}

const noMix = { stallMs: 0, bulkBytesPerSecond: 0 } as const;

/** Posts in one turn of the event loop; then what has arrived is looked at. */
const postsPerTurn = 256;

export class Driver {
  #link: Link | null = null;
  #copiedMax = 0;
  #answered: (id: number, key: string) => void = () => undefined;
  #ids = 0;

  /** For the contender, as its `onAnswer`. */
  readonly onAnswer = (bytes: Uint8Array): void => {
    const { id, k } = decode(bytes);
    this.#answered(id, k);
  };

  /** @param copiedMax as the contender has it. */
  use(link: Link, copiedMax: number): void {
    this.#link = link;
    this.#copiedMax = copiedMax;
  }

  async run(load: Load): Promise<LoadResult> {
    const payload = randomBytes(load.payloadBytes);
    const measure = (forMs: number): Promise<LoadResult> => {
      switch (load.kind) {
        case 'posts':
          return this.#posts(payload, forMs);
        case 'requests':
          return this.#requests(payload, load.inFlight, forMs);
        case 'mixed':
          return this.#mixed(forMs);
      }
    };
    const warm = await measure(load.warmMs);
    const run = await measure(load.runMs);
    return { ...run, operations: warm.operations + run.operations };
  }

  /** The clock stops when the receiver has said that it has every one. */
  async #posts(payload: Uint8Array, forMs: number): Promise<LoadResult> {
    const link = this.#link as Link;
    const startMs = performance.now();
    let sent = 0;
    let refused: Uint8Array | null = null;
    while (performance.now() - startMs < forMs) {
      for (let i = 0; i < postsPerTurn; i++) {
        refused ??= this.#message(kinds.post, payload);
        if (!link.post(refused)) break;
        refused = null;
        sent++;
      }
      await link.ready();
    }
    const arrived = await this.#count(link);
    if (arrived !== sent) throw new Error(`${sent} messages were sent, and ${arrived} have arrived`);
    const tookMs = performance.now() - startMs;
    return { perSecond: (sent * 1000) / tookMs, p50Ms: 0, p99Ms: 0, operations: sent, ...noMix };
  }

  #requests(payload: Uint8Array, inFlight: number, forMs: number): Promise<LoadResult> {
    const link = this.#link as Link;
    const asked = new Map<number, number>();
    const times: number[] = [];
    const startMs = performance.now();
    const ask = (): void => {
      const message = this.#message(kinds.request, payload);
      asked.set(this.#ids, performance.now());
      link.ask(message);
    };
    return new Promise((resolve) => {
      this.#answered = (id) => {
        const nowMs = performance.now();
        times.push(nowMs - (asked.get(id) ?? Number.NaN));
        asked.delete(id);
        if (nowMs - startMs < forMs) ask();
        else if (asked.size === 0) {
          const sorted = Float64Array.from(times).toSorted();
          const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
          resolve({
            perSecond: (times.length * 1000) / (nowMs - startMs),
            p50Ms: at(0.5),
            p99Ms: at(0.99),
            operations: times.length,
            ...noMix,
          });
        }
      };
      for (let i = 0; i < inFlight; i++) ask();
    });
  }

  async #mixed(forMs: number): Promise<LoadResult> {
    const link = this.#link as Link;
    const answered = new Map<number, () => void>();
    this.#answered = (id) => {
      answered.get(id)?.();
      answered.delete(id);
    };
    const startMs = performance.now();
    const result = await mixedLoad(
      (kind, payload, priority) =>
        new Promise((resolve) => {
          const message = this.#message(kind, payload);
          answered.set(this.#ids, resolve);
          link.ask(message, priority);
        }),
      forMs,
    );
    return { ...result, perSecond: (result.operations * 1000) / (performance.now() - startMs) };
  }

  #count(link: Link): Promise<number> {
    const id = ++this.#ids;
    return new Promise((resolve) => {
      this.#answered = (_id, count) => resolve(Number(count));
      link.ask(encode({ t: kinds.request, id, k: 'count', p: new Uint8Array(0) }, this.#copiedMax));
    });
  }

  #message(t: number, p: Uint8Array): Uint8Array {
    const id = ++this.#ids;
    return encode({ t, id, k: keys[id & 63] ?? '', p }, this.#copiedMax);
  }
}
