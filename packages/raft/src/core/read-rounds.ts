/**
 * The leader's side of linearizable reads (ReadIndex, thesis 6.4): how far the log was committed when a read was asked for, told only
 * after a majority has confirmed, asked later than that, that this node still leads.
 *
 * One round is out at a time; whatever is asked meanwhile shares the next one. Every node, this one included, has at most one
 * request here, which stands for all the reads that wait there.
 *
 * The first round after a heartbeat asks everybody, the rest until the next one only those that made up its majority: what the others
 * would add are messages that nobody waits for. When one of these few is late, all are asked, and so they are until the next heartbeat.
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
  readonly prompt: readonly string[] | null;
  readonly late: boolean;
  readonly watched: number | null;
}

/** A leader is woken by every heartbeat: what keeps it from that for so many is a pause. */
const pauseHeartbeats = 2;
const lateTimer = 'lateConfirmation';
/** The few that are asked are waited for alone for this share of a heartbeat, and no longer than twice that. */
const lateShare = 0.1;

export class ReadRounds {
  readonly lease: Lease;
  readonly #shared: Shared;
  readonly #answerHere: (key: ReadKey, index: number) => void;
  readonly #askers = new Map<string, Asker>();
  #round: Round | null = null;
  #rounds = 0;
  // When this node was last awake.
  #lastMs: number | null = null;
  // Those that were the first to confirm since the last heartbeat, a majority with this node; null while there are none such.
  #prompt: readonly string[] | null = null;
  // Since the last heartbeat, one of them was not.
  #late = false;
  // The round that was out when the timer was armed; null while it is not.
  #watched: number | null = null;

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

  /** With every heartbeat, which says anew who is prompt; where there are lease reads, the lease is renewed before anybody waits for it. */
  heartbeat(nowMs: number, out: RaftOut): void {
    this.#prompt = null;
    this.#late = false;
    this.#askAgain(out);
    if (this.#shared.config.leaseReads && this.#round === null) this.#begin(nowMs, out);
  }

  /** @returns whether the timer was the one of these rounds. */
  fire(timer: string, out: RaftOut): boolean {
    if (timer !== lateTimer) return false;
    const watched = this.#watched;
    this.#watched = null;
    if (this.#round === null || this.#prompt === null) return true;
    if (this.#round.number === watched) {
      this.#prompt = null;
      this.#late = true;
      this.#askAgain(out);
    } else this.#watch(this.#round, out);
    return true;
  }

  #watch({ number }: Round, out: RaftOut): void {
    if (this.#watched !== null) return;
    this.#watched = number;
    const delayMs = this.#shared.config.heartbeatMs * lateShare;
    out.emit({ type: 'setTimer', timer: lateTimer, delayMs });
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
    const round: Round = {
      number: ++this.#rounds,
      index: commitIndex,
      askers: [...this.#askers.values()],
      confirmed,
      sentMs: nowMs,
    };
    this.#round = round;
    this.#askers.clear();
    const few = this.#prompt;
    if (few !== null && this.#isMajority((voter) => confirmed.has(voter) || few.includes(voter))) {
      this.#ask(few, round, out);
      this.#watch(round, out);
    } else this.#ask(this.#shared.membership.electorate, round, out);
    return this.#finish(out);
  }

  #ask(peers: readonly string[], { number: round }: Round, out: RaftOut): void {
    const { term } = this.#shared;
    for (const peer of peers) this.#shared.send(out, peer, { type: 'confirm', term, round });
  }

  /** Asks everybody who has not confirmed the round that is out. */
  #askAgain(out: RaftOut): void {
    const round = this.#round;
    if (round === null) return;
    const { electorate } = this.#shared.membership;
    this.#ask(
      electorate.filter((peer) => !round.confirmed.has(peer)),
      round,
      out,
    );
  }

  #isMajority(has: (voter: string) => boolean): boolean {
    return jointVoteResult(this.#shared.membership.quorum, (voter) => has(voter) || undefined) === 'won';
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
    this.#prompt = null;
    this.#late = false;
  }

  #finish(out: RaftOut): boolean {
    const { config, term } = this.#shared;
    const round = this.#round;
    if (round === null || !this.#isMajority((voter) => round.confirmed.has(voter))) return false;
    this.#round = null;
    if (!this.#late) this.#prompt ??= [...round.confirmed].filter((voter) => voter !== config.nodeId);
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
      prompt: this.#prompt,
      late: this.#late,
      watched: this.#watched,
    };
  }

  restore(from: ReadRoundsCheckpoint): void {
    const { rounds, askers, round, lease, lastMs, prompt, late, watched } = from;
    this.lease.restore(lease);
    this.#lastMs = lastMs;
    this.#prompt = prompt;
    this.#late = late;
    this.#watched = watched;
    this.#rounds = rounds;
    this.#round = round && { ...round, confirmed: new Set(round.confirmed) };
    this.#askers.clear();
    for (const asker of askers) this.#askers.set(asker.node, asker);
  }
}
