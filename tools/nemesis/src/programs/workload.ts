/** What the clients do, and what they look at in the end. */
import { Prng } from '@cluster/core';
import type { CounterLine } from '../history/counter.ts';
import type { Value } from '../history/operation.ts';
import { Client, type Habits, type Surroundings } from './clients.ts';

export interface WorkloadOptions extends Surroundings {
  readonly seed: number;
  readonly clients: number;
  readonly countingClients: number;
  readonly leaseReads: boolean;
}

const patienceMs = 8000;
/** A counter's outcome has to be known: only a cluster that does not come back ends this. */
const countingPatienceMs = 60_000;
const finalPatienceMs = 30_000;
const finalReaders = 12;
const hotKeys = 5;
/** Then the clients go on to other keys: a key's history stays short, and what is unknown about it few. */
const operationsPerGeneration = 3000;
const countEveryMs = 10;
/** Of the ledger's values, so that entries are not all alike. */
const largeEvery = 20;
const largeBytes = 20_000;

export class Workload {
  readonly #options: WorkloadOptions;
  readonly #keys = new Set<string>();
  readonly #counters: CounterLine[] = [];
  #operations = 0;
  #running: Promise<unknown> = Promise.resolve();
  #stopping = false;
  acknowledgedWrites = 0;
  unknown = 0;

  constructor(options: WorkloadOptions) {
    this.#options = options;
  }

  start(): void {
    const { seed, clients, countingClients, leaseReads } = this.#options;
    const client = (name: string, habits: Habits): [Client, Prng] => {
      const prng = Prng.fromSeed(seed, name);
      return [new Client(this.#options, prng, habits), prng];
    };
    const habits = (i: number): Habits => ({
      usesSession: i % 2 === 0,
      consistency: leaseReads && i < clients / 2 ? 'lease' : 'linearizable',
    });
    this.#running = Promise.all([
      ...Array.from({ length: clients }, (_, i) => this.#operate(...client(`client ${i}`, habits(i)))),
      ...Array.from({ length: countingClients }, (_, i) =>
        this.#count(`counter ${i}`, client(`counter ${i}`, { usesSession: true })[0]),
      ),
    ]);
  }

  /** Ends what is under way, then reads everything once more. */
  async finish(): Promise<readonly CounterLine[]> {
    this.#stopping = true;
    await this.#running;
    const keys = [...this.#keys];
    const reader = async (): Promise<void> => {
      const prng = Prng.fromSeed(this.#options.seed, 'reader');
      const client = new Client(this.#options, prng, { usesSession: false });
      for (let key = keys.pop(); key !== undefined; key = keys.pop()) await client.get(key, finalPatienceMs);
    };
    await Promise.all(Array.from({ length: finalReaders }, reader));
    return this.#counters;
  }

  async #operate(client: Client, prng: Prng): Promise<void> {
    const lastSeen = new Map<string, Value>();
    for (let i = 0; !this.#stopping; i++) {
      const generation = Math.floor(this.#operations++ / operationsPerGeneration);
      const key = `hot ${generation}.${prng.below(hotKeys)}`;
      // Unique, so that each read names its write.
      const value = `${client.number}.${i}`;
      const what = prng.below(100);
      if (what < 8) {
        // A key of its own, written once and read in the end: the ledger of what was acknowledged.
        const padding = prng.below(largeEvery) === 0 ? 'x'.repeat(largeBytes) : '';
        await this.#write(client, { op: 'put', key: `ledger ${value}`, value: value + padding });
        continue;
      }
      if (what < 45) {
        this.#keys.add(key);
        const seen = await client.get(key, patienceMs);
        if (seen !== undefined) lastSeen.set(key, seen);
      } else if (what < 65) {
        if (await this.#write(client, { op: 'put', key, value })) lastSeen.set(key, value);
      } else if (what < 77) await this.#write(client, { op: 'append', key, value: `;${value}` });
      else if (what < 80) {
        if (await this.#write(client, { op: 'del', key })) lastSeen.set(key, null);
      } else {
        const expect = lastSeen.get(key) ?? null;
        const swapped = await this.#write(client, { op: 'cas', key, expect, value });
        if (swapped) lastSeen.set(key, value);
        else lastSeen.delete(key);
      }
    }
  }

  async #write(client: Client, write: Parameters<Client['write']>[0]): Promise<boolean> {
    this.#keys.add(write.key);
    const done = await client.write(write, patienceMs);
    if (done === true) this.acknowledgedWrites++;
    if (done === null) this.unknown++;
    return done === true;
  }

  async #count(counter: string, client: Client): Promise<void> {
    let acknowledged = 0;
    let unknown = 0;
    let mismatches = 0;
    while (!this.#stopping) {
      const count = await client.count(counter, countingPatienceMs);
      if (count === null) unknown++;
      else if (count !== false) {
        acknowledged++;
        if (unknown === 0 && count !== acknowledged) mismatches++;
      }
      await new Promise((resolve) => {
        setTimeout(resolve, countEveryMs);
      });
    }
    const final = await client.readCount(counter, finalPatienceMs);
    this.#counters.push({ counter, acknowledged, unknown, mismatches, final });
  }
}
