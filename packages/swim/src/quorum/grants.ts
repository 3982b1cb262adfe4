/**
 * Quorum by grants: each member asks every other, again and again, for leave to go on, and counts those who gave it lately.
 *
 * A grant counts from when it was *asked for*, by the asker's own clock, so that no delay or pause makes it last longer. A member
 * that stops granting to somebody therefore knows when nothing it granted can count any more; it says so (`fencing`), and a side
 * that hears it from a quorum may take over. A process that has just started grants nothing for as long: it cannot know what the
 * one before it promised.
 */
import { type QuorumConfig, outlastMs } from './config.ts';
import { lifeOf } from './lease-ledger.ts';
import type { Answer, Ask } from './messages.ts';
import type { Roster } from './roster.ts';
import { isQuorum, type QuorumRule } from './strategy.ts';

interface Peer {
  boot: string;
  /** When we asked what it answered last; and what it granted last, in the epoch of `grantEpoch`. */
  contactAtMs: number;
  grantAtMs: number;
  grantEpoch: number;
  fencing: ReadonlySet<string>;
  reach: ReadonlySet<string>;
  reachAtMs: number;
}

export interface GrantsCheckpoint {
  readonly boot: string;
  readonly silentUntilMs: number;
  readonly seq: number;
  readonly asked: readonly (readonly [seq: number, atMs: number])[];
  readonly fences: readonly (readonly [life: string, sinceMs: number])[];
  readonly peers: readonly (readonly [name: string, peer: unknown])[];
}

export class Grants {
  readonly #config: QuorumConfig;
  readonly #peers = new Map<string, Peer>();
  readonly #asked = new Map<number, number>();
  /** Lives that get nothing from us, and since when. */
  readonly #fences = new Map<string, number>();
  #boot = '';
  #silentUntilMs = Infinity;
  #seq = 0;

  constructor(config: QuorumConfig) {
    this.#config = config;
  }

  get boot(): string {
    return this.#boot;
  }

  /** A process begins. */
  start(boot: string, nowMs: number): void {
    this.#boot = boot;
    this.#silentUntilMs = nowMs + outlastMs(this.#config);
  }

  /** A new life of the same process: what the old one was granted is void, what it promised others is not. */
  rejoin(boot: string): void {
    this.#boot = boot;
    this.#asked.clear();
    for (const peer of this.#peers.values()) peer.grantAtMs = peer.contactAtMs = -Infinity;
  }

  /** The next question to everybody on the roster. */
  ask(roster: Roster, excluding: readonly string[], nowMs: number): Ask {
    const seq = ++this.#seq;
    this.#asked.set(seq, nowMs);
    for (const [old, atMs] of this.#asked) if (!this.#isFresh(atMs, nowMs)) this.#asked.delete(old);
    const reach = roster.members.filter((name) => this.reaches(name, nowMs));
    return { type: 'ask', seq, epoch: roster.epoch, boot: this.#boot, excluding, reach };
  }

  /** @returns our answer, and whether the asker's side lives on without us. */
  hearAsk(from: string, ask: Ask, roster: Roster, nowMs: number): { answer: Answer; fencesUs: boolean } {
    const peer = this.#peer(from, ask.boot);
    peer.reach = new Set(ask.reach);
    peer.reachAtMs = nowMs;
    const own = lifeOf(this.#config.name, this.#boot);
    for (const life of ask.excluding)
      if (life !== own && !this.#isReachedLife(life, nowMs)) this.fence(life, nowMs);
    const isFenced = this.#fences.has(lifeOf(from, ask.boot));
    const refusal = isFenced
      ? 'fenced'
      : ask.epoch !== roster.epoch
        ? 'epoch'
        : nowMs < this.#silentUntilMs
          ? 'silent'
          : null;
    const answer: Answer = {
      type: 'answer',
      seq: ask.seq,
      to: ask.boot,
      boot: this.#boot,
      epoch: roster.epoch,
      refusal,
      fencing: [...this.#fencing(nowMs)].slice(-256),
    };
    return { answer, fencesUs: ask.excluding.includes(own) };
  }

  /** @returns whether it says that the other side lives on without us. */
  hearAnswer(from: string, answer: Answer, roster: Roster): boolean {
    const askedAtMs = this.#asked.get(answer.seq);
    if (askedAtMs === undefined || answer.to !== this.#boot) return false;
    const peer = this.#peer(from, answer.boot);
    peer.contactAtMs = Math.max(peer.contactAtMs, askedAtMs);
    if (answer.refusal === null && answer.epoch === roster.epoch) {
      peer.grantAtMs = Math.max(peer.grantAtMs, askedAtMs);
      peer.grantEpoch = answer.epoch;
    }
    peer.fencing = new Set(answer.fencing);
    return answer.refusal === 'fenced';
  }

  /** From now on this life gets nothing from us. */
  fence(life: string, nowMs: number): void {
    if (this.#fences.has(life)) return;
    this.#fences.set(life, nowMs);
    const [oldest] = this.#fences.keys();
    if (this.#fences.size > this.#config.fencesMax && oldest !== undefined) this.#fences.delete(oldest);
  }

  /** Whether it answered lately, and is not a life that we go on without. */
  reaches(name: string, nowMs: number): boolean {
    if (name === this.#config.name) return true;
    const peer = this.#peers.get(name);
    return (
      peer !== undefined &&
      this.#isFresh(peer.contactAtMs, nowMs) &&
      !this.#fences.has(lifeOf(name, peer.boot))
    );
  }

  /** Whom this member says it reaches; undefined when it has not said so lately. */
  reachOf(name: string, nowMs: number): ReadonlySet<string> | undefined {
    const peer = this.#peers.get(name);
    return peer !== undefined && this.#isFresh(peer.reachAtMs, nowMs) ? peer.reach : undefined;
  }

  /** The life of a member that we heard of last. */
  lifeOf(name: string): string | undefined {
    const boot = this.#peers.get(name)?.boot;
    return boot === undefined ? undefined : lifeOf(name, boot);
  }

  /** Whether a quorum of the roster grants, counting only those that fence all of these lives. */
  holds(rule: QuorumRule, roster: Roster, fenced: Iterable<string>, nowMs: number): boolean {
    const lives = [...fenced];
    return isQuorum(rule, roster.members, (name) => {
      if (!this.grants(name, roster, nowMs)) return false;
      if (lives.length === 0) return true;
      const fencing = name === this.#config.name ? this.#fencing(nowMs) : this.#peers.get(name)?.fencing;
      return lives.every((life) => fencing?.has(life) === true);
    });
  }

  /** Whether a member's grant, or our own, counts now. */
  grants(name: string, roster: Roster, nowMs: number): boolean {
    if (name === this.#config.name) return nowMs >= this.#silentUntilMs;
    const peer = this.#peers.get(name);
    return peer !== undefined && peer.grantEpoch === roster.epoch && this.#isFresh(peer.grantAtMs, nowMs);
  }

  /** Forgets who is not on the roster any more. */
  retain(roster: Roster): void {
    for (const name of this.#peers.keys()) if (!roster.members.includes(name)) this.#peers.delete(name);
  }

  checkpoint(): GrantsCheckpoint {
    return {
      boot: this.#boot,
      silentUntilMs: this.#silentUntilMs,
      seq: this.#seq,
      asked: [...this.#asked],
      fences: [...this.#fences],
      peers: [...this.#peers].map(([name, peer]) => [
        name,
        { ...peer, fencing: [...peer.fencing], reach: [...peer.reach] },
      ]),
    };
  }

  restore(checkpoint: GrantsCheckpoint): void {
    this.#boot = checkpoint.boot;
    this.#silentUntilMs = checkpoint.silentUntilMs;
    this.#seq = checkpoint.seq;
    refill(this.#asked, checkpoint.asked);
    refill(this.#fences, checkpoint.fences);
    this.#peers.clear();
    for (const [name, saved] of checkpoint.peers) {
      const peer = saved as Peer & { readonly fencing: readonly string[]; readonly reach: readonly string[] };
      this.#peers.set(name, { ...peer, fencing: new Set(peer.fencing), reach: new Set(peer.reach) });
    }
  }

  #peer(name: string, boot: string): Peer {
    let peer = this.#peers.get(name);
    if (peer === undefined || peer.boot !== boot) {
      const never = -Infinity;
      const fencing = new Set<string>();
      peer = {
        boot,
        contactAtMs: never,
        grantAtMs: never,
        grantEpoch: 0,
        fencing,
        reach: fencing,
        reachAtMs: never,
      };
      this.#peers.set(name, peer);
    }
    return peer;
  }

  #isReachedLife(life: string, nowMs: number): boolean {
    const name = life.slice(0, life.indexOf('/'));
    return this.lifeOf(name) === life && this.reaches(name, nowMs);
  }

  /** Lives to which nothing that we granted can count any more. */
  #fencing(nowMs: number): ReadonlySet<string> {
    const before = nowMs - outlastMs(this.#config);
    return new Set([...this.#fences].filter(([, sinceMs]) => sinceMs <= before).map(([life]) => life));
  }

  #isFresh(atMs: number, nowMs: number): boolean {
    return nowMs - atMs < this.#config.quorumTtlMs;
  }
}

function refill<K, V>(map: Map<K, V>, entries: readonly (readonly [K, V])[]): void {
  map.clear();
  for (const [key, value] of entries) map.set(key, value);
}
