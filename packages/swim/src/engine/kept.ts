/** What outlives this process, where there are stores for it: the incarnation, the members known, the gossip keys. */
import { describeError, type Done, type Logger, type Task, wait } from '@cluster/core';
import type { SwimConfig } from '../config.ts';
import { blockEnd, incarnationMax } from '../core/incarnation.ts';
import type { Member, MemberHappening, SavedPeer } from '../member.ts';
import type { SwimPorts } from '../ports.ts';
import type { GossipKeys } from './gossip-keys.ts';
import { PeerMemory } from './peer-memory.ts';

export interface Recalled {
  /** To start with, and how far it may rise before more is reserved. */
  readonly incarnation: number;
  readonly reserved: number;
  readonly peers: readonly SavedPeer[];
}

export interface KeptOptions {
  readonly config: SwimConfig;
  readonly ports: SwimPorts;
  readonly logger: Logger;
  readonly keys: GossipKeys;
  readonly members: () => readonly Member[];
  /** Known before, and on no record now. */
  readonly missing: () => readonly SavedPeer[];
}

export class Kept {
  readonly #options: KeptOptions;
  readonly #memory: PeerMemory | null;

  constructor(options: KeptOptions) {
    const { ports, logger } = options;
    const { peers: store, clock } = ports;
    this.#options = options;
    this.#memory = store ? new PeerMemory({ store, clock, logger, peers: () => this.#peers() }) : null;
  }

  /** Puts the keys in force that were so before, and tells the rest. */
  *recall(): Task<Recalled> {
    const { ports, keys } = this.#options;
    const { incarnations } = ports;
    keys.restore(yield* this.#read('The gossip keys', ports.keys, null));
    const peers = yield* this.#read('The members known', ports.peers, []);
    const former = incarnations ? yield* wait<number>((done) => incarnations.load(done)) : 0;
    const incarnation = Math.min(former + 1, incarnationMax);
    const reserved = incarnations ? blockEnd(incarnation) : incarnationMax;
    // Durable before anybody hears of it, or the next start could begin below it.
    if (incarnations) yield* wait<void>((done) => incarnations.store(reserved, done));
    return { incarnation, reserved, peers };
  }

  noticed({ type, member }: MemberHappening): void {
    const { name, rejoinAfterLeave } = this.#options.config;
    if (type === 'Left' && member.name === name && !rejoinAfterLeave) this.#memory?.forget();
    else this.#memory?.noticed(type);
  }

  /** @param done called when what was to be kept is on disk. */
  close(done: () => void): void {
    if (this.#memory === null) done();
    else this.#memory.close(done);
  }

  /** One that cannot be read costs what it would have saved, not the start. */
  *#read<T>(what: string, store: { load(done: Done<T>): void } | undefined, none: T): Task<T> {
    if (store === undefined) return none;
    try {
      return yield* wait<T>((done) => store.load(done));
    } catch (error) {
      this.#options.logger.log('warn', `${what} were not read: ${describeError(error)}`);
      return none;
    }
  }

  /** The failed too, who may be back by then (Serf #333), and those that were not found again, who may be cut off. */
  #peers(): readonly SavedPeer[] {
    const { name: own } = this.#options.config;
    const others = this.#options.members().filter(({ name, state }) => name !== own && state !== 'Left');
    return [
      ...others.map(({ name, address, state }) => ({ name, address, alive: state !== 'Dead' })),
      ...this.#options.missing(),
    ];
  }
}
