/**
 * Metadata without I/O: a versioned key-value map for each member, held by every member.
 *
 * The owner of a map is its only writer. News is offered by rumour: versions first, and the content only to who lacks it. What
 * rumours miss is found by anti-entropy: one peer a period is told a hash over all versions, and where it differs the two compare
 * version by version and send each other what the other lacks (Demers et al. 1987; the reconciliation is that of van Renesse's
 * Scuttlebutt, 2008). Only members that say they speak this (a tag) are spoken to, so Serf agents never see any of it.
 */
import {
  type Address,
  type ActionOf,
  type InstanceCheckpoint,
  MachineInstance,
  packPlain,
  Prng,
  type PrngState,
  type ProtocolCore,
  type Sink,
  Stepper,
  type TimerInput,
  unpackPlain,
} from '@cluster/core';
import type { SwimConfig } from '../config.ts';
import { retransmitLimit } from '../core/scaling.ts';
import type { MetadataEffect, MetadataInput } from './effects.ts';
import { compareLives, compareVersions, epochMax, type Life, noVersion, type Version } from './life.ts';
import { Maps, type MapsCheckpoint } from './maps.ts';
import { metadataMachine } from './metadata.machine.ts';
import type { Deltas, Digest, MapDelta, MetadataMessage, OwnerVersion } from './messages.ts';
import { changes, collect, deltaSince, inLife, merge, type OwnerMap, write } from './owner-map.ts';
import { Peers, type PeersCheckpoint } from './peers.ts';
import { digests, pieces } from './pieces.ts';

type Out = Sink<MetadataEffect>;
type Of<T extends MetadataInput['type']> = Extract<MetadataInput, { type: T }>;

export interface MetadataOptions {
  readonly config: SwimConfig;
  readonly seed: number;
}

interface Checkpoint {
  readonly prng: PrngState;
  readonly machine: InstanceCheckpoint | null;
  readonly peers: PeersCheckpoint;
  readonly maps: MapsCheckpoint;
  readonly news: readonly (readonly [owner: string, offersLeft: number])[];
  readonly wanted: readonly (readonly [owner: string, atMs: number])[];
}

// Versions in one offer: they fit a packet, and what does not go now goes with the next round.
const offeredMax = 16;
// Pieces in one answer; who needs more asks again.
const answerPiecesMax = 8;
const stepper = new Stepper(metadataMachine);

export class MetadataCore implements ProtocolCore<MetadataInput, MetadataEffect> {
  readonly #config: SwimConfig;
  readonly #prng: Prng;
  readonly #machine: MachineInstance<typeof metadataMachine, MetadataEffect>;
  readonly #peers = new Peers();
  readonly #maps = new Maps();
  /** Owners whose maps are new, and how often each is yet to be offered. */
  readonly #news = new Map<string, number>();
  /** When an owner's news was last asked for: two peers that offer the same are not both asked. */
  readonly #wanted = new Map<string, number>();

  constructor({ config, seed }: MetadataOptions) {
    this.#config = config;
    this.#prng = Prng.fromSeed(seed, `${config.name}/metadata`);
    this.#machine = new MachineInstance('metadata', stepper, (action, nowMs, out) =>
      this.#perform(action, nowMs, out),
    );
  }

  /** `{antiEntropy, rumour}`, as text. */
  get state(): string {
    return this.#machine.started ? this.#machine.state : 'stopped';
  }

  /** Of all maps together. */
  get bytes(): number {
    return this.#maps.bytes;
  }

  /** The map of a member; empty for one without. */
  map(owner: string): OwnerMap {
    return this.#maps.get(owner);
  }

  owners(): readonly string[] {
    return this.#maps.owners();
  }

  /** What the owner's map would take with this write, in bytes. */
  bytesWith(key: string, value: Uint8Array | null): number {
    return write(this.#own, key, value, 0).bytes;
  }

  handle(input: MetadataInput | TimerInput, nowMs: number, out: Out): void {
    switch (input.type) {
      case 'TIMER':
        return void this.#machine.fire(input.timer, nowMs, out);
      case 'START': {
        const { gossipPeriodMs, metadata } = this.#config;
        const { periodMs } = metadata;
        this.#own = inLife(this.#own, { epoch: input.epoch, boot: this.#prng.u32() });
        const firstMs = this.#prng.float() * periodMs;
        return this.#machine.start({ periodMs, gossipPeriodMs, firstMs }, nowMs, out);
      }
      case 'MEMBER':
        return this.#noticed(input, nowMs, out);
      case 'WRITE':
        return this.#write(input, nowMs, out);
      case 'HEARD':
        return this.#hear(input.message, nowMs, out);
    }
  }

  checkpoint(): Uint8Array {
    const checkpoint: Checkpoint = {
      prng: this.#prng.state,
      machine: this.#machine.started ? this.#machine.checkpoint() : null,
      peers: this.#peers.checkpoint(),
      maps: this.#maps.checkpoint(),
      news: [...this.#news],
      wanted: [...this.#wanted],
    };
    return packPlain(checkpoint);
  }

  restore(bytes: Uint8Array): void {
    const { prng, machine, peers, maps, news, wanted } = unpackPlain(bytes) as Checkpoint;
    this.#prng.restore(prng);
    if (machine !== null) this.#machine.restore(machine);
    this.#peers.restore(peers);
    this.#maps.restore(maps);
    this.#news.clear();
    for (const [owner, left] of news) this.#news.set(owner, left);
    this.#wanted.clear();
    for (const [owner, atMs] of wanted) this.#wanted.set(owner, atMs);
  }

  get #self(): string {
    return this.#config.name;
  }

  get #own(): OwnerMap {
    return this.#maps.get(this.#self);
  }

  set #own(map: OwnerMap) {
    this.#maps.set(this.#self, map);
  }

  #write({ key, value }: Of<'WRITE'>, nowMs: number, out: Out): void {
    const before = this.#own;
    this.#own = write(before, key, value, nowMs);
    out.emit({ type: 'changed', owner: this.#self, changes: changes(before, this.#own) });
    this.#isNews(this.#self, nowMs, out);
  }

  #noticed(input: Of<'MEMBER'>, nowMs: number, out: Out): void {
    const { name } = input;
    if (name === this.#self) return;
    const wasAlone = !this.#peers.hasPartner;
    this.#peers.noticed(input);
    // Reaped, or a new life that does not speak: nobody keeps the map up to date any more.
    if (!this.#peers.has(name)) this.#forget(name, out);
    if (wasAlone && this.#peers.hasPartner) this.#machine.send({ type: 'ACQUAINTED' }, nowMs, out);
  }

  #forget(owner: string, out: Out): void {
    const map = this.#maps.get(owner);
    this.#maps.delete(owner);
    this.#news.delete(owner);
    this.#wanted.delete(owner);
    const gone = [...map.entries].filter(([, { value }]) => value !== null);
    if (gone.length === 0) return;
    out.emit({ type: 'changed', owner, changes: gone.map(([key]) => ({ key, value: null })) });
  }

  #isNews(owner: string, nowMs: number, out: Out): void {
    this.#news.set(owner, retransmitLimit(this.#config.retransmitMult, this.#peers.size + 1));
    this.#machine.send({ type: 'NEWS' }, nowMs, out);
  }

  #hear(message: MetadataMessage, nowMs: number, out: Out): void {
    const to = this.#peers.addressOf(message.from);
    // Not a member yet, or not any more; it says so again when it is one.
    if (to === undefined) return;
    switch (message.type) {
      case 'summary':
        if (message.hash !== this.#maps.hash()) this.#sendDigest(to, out);
        return;
      case 'digest':
        return this.#compare(message, to, nowMs, out);
      case 'offer':
        return this.#want(message.versions, to, nowMs, out);
      case 'want':
        return this.#tell(message.versions, to, out);
      case 'deltas':
        return this.#merge(message, to, nowMs, out);
    }
  }

  #sendDigest(to: Address, out: Out): void {
    for (const digest of digests(this.#self, this.#maps.versions(), this.#config.metadata.pieceBytesMax))
      out.emit({ type: 'send', to, message: digest });
  }

  #compare({ versions, after, until }: Digest, to: Address, nowMs: number, out: Out): void {
    const theirs = new Map(versions.map((version) => [version.owner, version]));
    const isCovered = ({ owner }: OwnerVersion): boolean => owner > after && (until === '' || owner <= until);
    // Before ours are compared: hearing of a former life of ours may make us newer.
    this.#want(versions, to, nowMs, out);
    const lacking = this.#maps
      .versions()
      .filter(isCovered)
      .map(({ owner }) => theirs.get(owner) ?? { owner, ...noVersion });
    this.#tell(lacking, to, out);
  }

  /** Asks for what is newer than ours. */
  #want(versions: readonly OwnerVersion[], to: Address, nowMs: number, out: Out): void {
    const wanted: OwnerVersion[] = [];
    for (const version of versions) {
      const { owner } = version;
      if (owner === this.#self) {
        this.#heardOfOurselves(version, nowMs, out);
        continue;
      }
      const known = this.#maps.get(owner).version;
      if (!this.#peers.has(owner) || compareVersions(version, known) <= 0) continue;
      if (this.#isAbsurd(version, known, out)) continue;
      if (nowMs - (this.#wanted.get(owner) ?? -Infinity) < this.#config.gossipPeriodMs) continue;
      this.#wanted.set(owner, nowMs);
      wanted.push({ owner, epoch: known.epoch, boot: known.boot, counter: known.counter });
    }
    if (wanted.length > 0)
      out.emit({ type: 'send', to, message: { type: 'want', from: this.#self, versions: wanted } });
  }

  /** Sends what a peer that has these versions lacks. */
  #tell(versions: readonly OwnerVersion[], to: Address, out: Out): void {
    const deltas = versions
      .map((version) => deltaSince(version.owner, this.#maps.get(version.owner), version))
      .filter((delta) => delta !== null);
    const all = pieces(deltas, this.#config.metadata.pieceBytesMax);
    for (const [at, piece] of all.slice(0, answerPiecesMax).entries()) {
      const more = at === answerPiecesMax - 1 && all.length > answerPiecesMax;
      out.emit({ type: 'send', to, message: { type: 'deltas', from: this.#self, more, deltas: piece } });
    }
  }

  #merge({ deltas, more }: Deltas, to: Address, nowMs: number, out: Out): void {
    for (const delta of deltas) this.#mergeOne(delta, nowMs, out);
    if (!more) return;
    // What did not come was asked for all the same.
    this.#wanted.clear();
    this.#sendSummary(to, out);
  }

  #mergeOne(delta: MapDelta, nowMs: number, out: Out): void {
    const { owner, upTo: counter } = delta;
    if (owner === this.#self) return this.#heardOfOurselves({ ...delta, counter }, nowMs, out);
    if (!this.#peers.has(owner)) return;
    const before = this.#maps.get(owner);
    if (this.#isAbsurd(delta, before.version, out)) return;
    const after = merge(before, delta, nowMs);
    if (after === before) return;
    const { ownerBytesMax, totalBytesMax } = this.#config.metadata;
    if (after.bytes > ownerBytesMax || this.#maps.bytes - before.bytes + after.bytes > totalBytesMax)
      return out.emit({ type: 'countRefused', reason: 'too_large' });
    this.#maps.set(owner, after);
    this.#wanted.delete(owner);
    const seen = changes(before, after);
    if (seen.length > 0) out.emit({ type: 'changed', owner, changes: seen });
    this.#isNews(owner, nowMs, out);
  }

  /** Others hold a map of ours: of a former life, which the map of this life must go above, be it empty. */
  #heardOfOurselves(heard: Version, nowMs: number, out: Out): void {
    const own = this.#own.version;
    const isForeign = compareLives(heard, own) !== 0 || heard.counter > own.counter;
    // We have to be able to go above it.
    if (!isForeign || this.#isAbsurd(heard, own, out, epochMax - 1)) return;
    const isAbove = compareVersions(heard, own) > 0;
    if (!isAbove && own.counter > 0) return;
    const epoch = isAbove ? heard.epoch + 1 : own.epoch;
    const raised = inLife(this.#own, { epoch, boot: own.boot });
    const counter = Math.max(1, own.counter);
    this.#own = { ...raised, version: { ...raised.version, counter } };
    this.#isNews(this.#self, nowMs, out);
  }

  /** So far ahead that the owner could hardly get above it: a forgery. */
  #isAbsurd({ epoch }: Life, known: Life, out: Out, ceiling: number = epochMax): boolean {
    if (epoch <= Math.min(known.epoch + this.#config.incarnationJumpMax, ceiling)) return false;
    out.emit({ type: 'countRefused', reason: 'incarnation' });
    return true;
  }

  #sendSummary(to: Address, out: Out): void {
    out.emit({ type: 'send', to, message: { type: 'summary', from: this.#self, hash: this.#maps.hash() } });
  }

  #perform(action: ActionOf<typeof metadataMachine>, nowMs: number, out: Out): void {
    switch (action.type) {
      case 'compare': {
        const before = nowMs - this.#config.metadata.tombstoneMs;
        for (const owner of this.#maps.owners())
          this.#maps.set(owner, collect(this.#maps.get(owner), before));
        // Who holds nothing is told by those that do: a pool without metadata sends nothing.
        if (this.#maps.hash() !== 0) this.#introduce(out);
        return;
      }
      case 'introduce':
        return this.#introduce(out);
      case 'offerNews':
        return this.#offerNews(nowMs, out);
    }
  }

  #introduce(out: Out): void {
    for (const to of this.#peers.sample(1, this.#prng)) this.#sendSummary(to, out);
  }

  #offerNews(nowMs: number, out: Out): void {
    for (const to of this.#peers.sample(this.#config.gossipFanout, this.#prng)) {
      const owners = [...this.#news].toSorted(([, a], [, b]) => b - a).slice(0, offeredMax);
      const versions = owners.map(([owner]) => ({ owner, ...this.#maps.get(owner).version }));
      if (versions.length > 0)
        out.emit({ type: 'send', to, message: { type: 'offer', from: this.#self, versions } });
      for (const [owner, left] of owners) {
        if (left > 1) this.#news.set(owner, left - 1);
        else this.#news.delete(owner);
      }
    }
    // With nobody to tell it is no news: who comes later compares.
    if (!this.#peers.hasPartner) this.#news.clear();
    if (this.#news.size === 0) this.#machine.send({ type: 'NEWS_SPREAD' }, nowMs, out);
  }
}
