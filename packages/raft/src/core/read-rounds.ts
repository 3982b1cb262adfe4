/**
 * The leader's side of linearizable reads (ReadIndex, thesis 6.4): how far the log was committed when a read was asked for, told only
 * after a majority has confirmed, asked later than that, that this node still leads.
 *
 * One round is out at a time; whatever is asked meanwhile shares the next one. Every node, this one included, has at most one
 * request here, which stands for all the reads that wait there.
 */
import { Lease, type LeaseCheckpoint } from './lease.ts';
import { jointVoteResult } from './quorum.ts';
import type { Shared } from './state.ts';
import type { RaftOut } from './inputs-and-effects.ts';

/** All the reads that waited on a node when it asked. */
export interface ReadKey {
  /** Tells one incarnation of the node from the next. */
  readonly boot: number;
  /** Increases with every request of an incarnation. */
  readonly request: number;
}

type Asker = ReadKey & { readonly node: string };

interface Round {
  readonly number: number;
  readonly index: number;
  readonly askers: readonly Asker[];
  readonly confirmed: Set<string>;
  /** When it began; null when the clock cannot be trusted since. */
  sentMs: number | null;
}

export interface ReadRoundsCheckpoint {
  readonly rounds: number;
  readonly askers: readonly Asker[];
  readonly round: (Omit<Round, 'confirmed'> & { readonly confirmed: readonly string[] }) | null;
  readonly lease: LeaseCheckpoint;
  readonly lastMs: number | null;
}

/** A leader is woken by every heartbeat: what keeps it from that for so many is a pause. */
const pauseHeartbeats = 2;

export class ReadRounds {
  readonly lease: Lease;
  readonly #shared: Shared;
  readonly #answerHere: (key: ReadKey, index: number) => void;
  readonly #askers = new Map<string, Asker>();
  #round: Round | null = null;
  #rounds = 0;
  // When this node was last awake.
  #lastMs: number | null = null;

  /** @param answerHere gets the answers to this node's own requests. */
  constructor(shared: Shared, answerHere: (key: ReadKey, index: number) => void) {
    this.#shared = shared;
    this.lease = new Lease(shared);
    this.#answerHere = answerHere;
  }

  /** Rounds begun since the start. */
  get count(): number {
    return this.#rounds;
  }

  request(node: string, { boot, request }: ReadKey): void {
    const known = this.#askers.get(node);
    // Overtaken by a later one of the same incarnation.
    if (known?.boot === boot && known.request > request) return;
    this.#askers.set(node, { node, boot, request });
  }

  /** Before every input: a leader that was away for long does not rest on a lease from before. */
  noteTime(nowMs: number): void {
    const awayMs = nowMs - (this.#lastMs ?? nowMs);
    this.#lastMs = nowMs;
    if (awayMs < 0 || awayMs > pauseHeartbeats * this.#shared.config.heartbeatMs) this.doubtClock();
  }

  /** More time may have passed than the clock says: neither the lease nor the round that is out proves anything about now. */
  doubtClock(): void {
    this.lease.drop();
    if (this.#round !== null) this.#round.sentMs = null;
  }

  /** With every heartbeat: where there are lease reads, the lease is renewed before anybody waits for it. */
  renewLease(nowMs: number, out: RaftOut): void {
    if (this.#shared.config.leaseReads && this.#round === null) this.#begin(nowMs, out);
  }

  /** Begins a round when there is something to ask and none is out. @returns whether one has been answered within the call. */
  advance(nowMs: number, out: RaftOut): boolean {
    if (this.#askers.size === 0 || this.#round !== null || !this.#shared.isLeader) return false;
    return this.#begin(nowMs, out);
  }

  #begin(nowMs: number, out: RaftOut): boolean {
    const { log, commitIndex, term } = this.#shared;
    // Before an entry of its own term is committed, a leader does not know how far the log is (thesis 6.4, step 1).
    if (log.termAt(commitIndex) !== term) return false;
    const confirmed = new Set([this.#shared.config.nodeId]);
    this.#round = {
      number: ++this.#rounds,
      index: commitIndex,
      askers: [...this.#askers.values()],
      confirmed,
      sentMs: nowMs,
    };
    this.#askers.clear();
    this.repeat(out);
    return this.#finish(out);
  }

  /** Asks those again who have not confirmed the round that is out. */
  repeat(out: RaftOut): void {
    const { membership, term } = this.#shared;
    if (this.#round === null) return;
    const { number: round, confirmed } = this.#round;
    for (const peer of membership.electorate) {
      if (!confirmed.has(peer)) this.#shared.send(out, peer, { type: 'confirm', term, round });
    }
  }

  /** A peer was in this leader's term after the round had begun. */
  confirmed(from: string, round: number, out: RaftOut): void {
    if (this.#round?.number !== round) return;
    this.#round.confirmed.add(from);
    this.#finish(out);
  }

  /** The lead is over; whoever asked asks the next leader. */
  end(): void {
    this.lease.reset();
    this.#askers.clear();
    this.#round = null;
  }

  #finish(out: RaftOut): boolean {
    const { config, membership, term } = this.#shared;
    const round = this.#round;
    if (round === null) return false;
    const isConfirmed =
      jointVoteResult(membership.quorum, (voter) => round.confirmed.has(voter) || undefined) === 'won';
    if (!isConfirmed) return false;
    this.#round = null;
    if (round.sentMs !== null) this.lease.renew(round.sentMs);
    const { index } = round;
    for (const { node, boot, request } of round.askers) {
      if (node === config.nodeId) this.#answerHere({ boot, request }, index);
      else this.#shared.send(out, node, { type: 'readAnswer', term, boot, request, index });
    }
    return true;
  }

  checkpoint(): ReadRoundsCheckpoint {
    const round = this.#round && { ...this.#round, confirmed: [...this.#round.confirmed] };
    return {
      rounds: this.#rounds,
      askers: [...this.#askers.values()],
      round,
      lease: this.lease.checkpoint(),
      lastMs: this.#lastMs,
    };
  }

  restore({ rounds, askers, round, lease, lastMs }: ReadRoundsCheckpoint): void {
    this.lease.restore(lease);
    this.#lastMs = lastMs;
    this.#rounds = rounds;
    this.#round = round && { ...round, confirmed: new Set(round.confirmed) };
    this.#askers.clear();
    for (const asker of askers) this.#askers.set(asker.node, asker);
  }
}
