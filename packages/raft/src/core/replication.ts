/**
 * The leader's side of replication (thesis 3.5, 3.6.2, 10.2.1): where each follower stands, what to send it, and how far the log
 * is committed.
 */
import { MachineTable, type Sink, Stepper, type TableCheckpoint } from '@cluster/core';
import { CatchingUp, type CatchingUpCheckpoint } from './catching-up.ts';
import { entryBytes } from './log.ts';
import { progressMachine } from './progress.machine.ts';
import { jointCommittedIndex, jointVoteResult } from './quorum.ts';
import type { Shared } from './state.ts';
import type { Sending } from './sending.ts';
import type { AppendAccepted, AppendRejected, SnapshotAnswer } from './messages.ts';
import type { RaftEffect } from './inputs-and-effects.ts';
import type { Entry } from './types.ts';
import { Window } from './window.ts';

type Out = Sink<RaftEffect>;

interface Peer {
  readonly id: string;
  /** Up to here its log is known to agree, on its disk. */
  match: number;
  next: number;
  /** The mode, as the progress machine has set it. */
  pipelining: boolean;
  /** A snapshot is being sent. */
  snapshotting: boolean;
  /** It has got a snapshot, and has not had everything committed since. */
  returns: boolean;
  /** A probe is out; the next heartbeat repeats it without entries. */
  probing: boolean;
  contactMs: number;
  /** It had been heard of within an election timeout at the last heartbeat. */
  answers: boolean;
  /** The commit index it was last told. */
  toldCommit: number;
  /** Bytes that it may get until the next heartbeat; null: what its window takes. */
  allowance: number | null;
  readonly window: Window;
}

interface PeerCheckpoint extends Omit<Peer, 'window'> {
  readonly flights: ReturnType<Window['checkpoint']>;
}

export interface ReplicationCheckpoint {
  readonly peers: readonly PeerCheckpoint[];
  readonly table: TableCheckpoint;
  readonly news: number | null;
  readonly catchingUp: CatchingUpCheckpoint;
}

const stepper = new Stepper(progressMachine);
const newsTimer = 'commitNews';
// The next append brings the news along if it comes within this share of a heartbeat.
const newsShare = 0.1;

export class Replication {
  readonly #shared: Shared;
  readonly #sending: Sending;
  readonly #peers = new Map<string, Peer>();
  readonly #table: MachineTable<typeof progressMachine, RaftEffect>;
  readonly #catchingUp: CatchingUp;
  // The commit index that everybody is to know of when the timer fires; null while it is not armed.
  #news: number | null = null;

  /** @param sending sends a snapshot to a peer, from when `begin` is called to when `end` is. */
  constructor(shared: Shared, sending: Sending) {
    this.#shared = shared;
    this.#sending = sending;
    this.#catchingUp = new CatchingUp(shared);
    this.#table = new MachineTable('progress', stepper, (id, action, nowMs, out) => {
      const peer = this.#peers.get(id);
      if (peer === undefined) return;
      peer.snapshotting = action.type === 'sendSnapshot';
      if (action.type === 'sendSnapshot') sending.begin(id, nowMs, out);
      if (action.type === 'endSnapshot') sending.end(id, out);
      peer.pipelining = action.type === 'pipeline';
      peer.probing = false;
      peer.window.clear();
    });
  }

  /** A new leader knows nothing of the others' logs (thesis 3.5), and has just been in contact with a majority. */
  begin(nowMs: number, out: Out): void {
    this.#catchingUp.begin();
    for (const id of this.#shared.peers) this.#add(id, nowMs, out);
  }

  /** The members are others than before. Who is none any more is told so, as far as that is committed, and gets no more. */
  reconfigure(nowMs: number, out: Out): void {
    const { peers, term, commitIndex: commit } = this.#shared;
    for (const id of this.#peers.keys()) {
      if (peers.includes(id)) continue;
      this.#shared.send(out, id, { type: 'commit', term, commit });
      this.#sending.end(id, out);
      this.#table.remove(id, out);
      this.#peers.delete(id);
    }
    for (const id of peers) if (!this.#peers.has(id)) this.#add(id, nowMs, out);
    this.#feedAll(out);
  }

  #add(id: string, nowMs: number, out: Out): void {
    this.#peers.set(id, {
      id,
      match: 0,
      next: this.#shared.log.lastIndex + 1,
      pipelining: false,
      snapshotting: false,
      returns: false,
      probing: false,
      contactMs: nowMs,
      answers: true,
      toldCommit: 0,
      allowance: null,
      window: new Window(),
    });
    this.#table.add(id, nowMs, out);
  }

  end(out: Out): void {
    for (const id of this.#peers.keys()) {
      this.#sending.end(id, out);
      this.#table.remove(id, out);
    }
    this.#peers.clear();
    if (this.#news !== null) out.emit({ type: 'cancelTimer', timer: newsTimer });
    this.#news = null;
  }

  /** @returns whether the timer was one of these. */
  fire(timer: string, out: Out): boolean {
    if (timer !== newsTimer) return false;
    const due = this.#news ?? 0;
    this.#news = null;
    for (const peer of this.#peers.values()) {
      if (!this.#isBehindOnNews(peer)) continue;
      // An append has brought what was news then, and the next one may bring the rest.
      if (peer.toldCommit < due) this.#tellCommit(peer, out);
      else this.#tellSoon(out);
    }
    return true;
  }

  /**
   * Puts entries behind the leader's log; network and disk get them at the same time (thesis 10.2.1), the network first, because behind it
   * is another disk to wait for.
   */
  append(entries: readonly Entry[], out: Out): void {
    this.#shared.append(entries);
    this.#feedAll(out);
    this.#shared.persist(out, null, entries);
  }

  heartbeat(nowMs: number, out: Out): void {
    this.#catchingUp.beat();
    for (const peer of this.#peers.values()) {
      if (this.#lacksEntries(peer)) this.#table.send(peer.id, { type: 'BEHIND_LOG' }, nowMs, out);
      if (peer.snapshotting) this.#sending.heartbeat(peer.id, out);
      else this.#sendAppend(peer, [], out);
      peer.answers = this.#isHeard(peer, nowMs);
      peer.allowance = this.#catchingUp.allowance(peer.next);
      this.#feed(peer, out);
    }
  }

  /** A follower has said how far the snapshot is that it is being sent. */
  answered(from: string, message: SnapshotAnswer, nowMs: number, out: Out): string | null {
    const peer = this.#peers.get(from);
    if (peer === undefined) return null;
    const { index, status } = message;
    if (index > this.#shared.log.lastIndex) return 'snapshotBeyondLog';
    peer.contactMs = nowMs;
    if (status === 'done') this.#joined(peer, index, nowMs, out);
    else this.#sending.answered(from, message, nowMs, out);
    return null;
  }

  /** The follower holds everything up to `match`, which entries can follow if the log still has them. */
  #joined(peer: Peer, match: number, nowMs: number, out: Out): void {
    if (!peer.snapshotting) return;
    peer.match = Math.max(peer.match, match);
    if (match < this.#shared.log.base.index) return this.#sending.outgrown(peer.id, match, nowMs, out);
    peer.next = peer.match + 1;
    peer.returns = true;
    this.#table.send(peer.id, { type: 'JOINED_LOG' }, nowMs, out);
    if (!this.advanceCommit(out)) this.#feed(peer, out);
  }

  /** What it needs next is covered by a snapshot only; with a probe out, whether it needs it is not known yet. */
  #lacksEntries({ next }: Peer): boolean {
    return next <= this.#shared.log.base.index;
  }

  accepted(from: string, { match }: AppendAccepted, nowMs: number, out: Out): string | null {
    const peer = this.#peers.get(from);
    if (peer === undefined) return null;
    if (match > this.#shared.log.lastIndex) return 'matchBeyondLog';
    peer.contactMs = nowMs;
    if (peer.snapshotting) {
      this.#joined(peer, match, nowMs, out);
      return null;
    }
    const agrees = match > peer.match || match === peer.next - 1;
    if (match > peer.match) {
      peer.match = match;
      peer.next = Math.max(peer.next, match + 1);
      peer.window.release(match);
      if (match >= this.#shared.commitIndex) peer.returns = false;
    }
    if (agrees && !peer.pipelining) this.#table.send(from, { type: 'ACKED' }, nowMs, out);
    if (!this.advanceCommit(out)) this.#feed(peer, out);
    return null;
  }

  rejected(from: string, message: AppendRejected, nowMs: number, out: Out): void {
    const peer = this.#peers.get(from);
    if (peer === undefined) return;
    peer.contactMs = nowMs;
    if (peer.snapshotting) return;
    const { rejected, hintIndex, hintTerm } = message;
    // Old news: what has been acknowledged since, or a probe that is not the one that is out.
    if (peer.pipelining ? rejected <= peer.match : rejected !== peer.next - 1) return;
    const { log } = this.#shared;
    // Before the base nothing is known any more: it gets a snapshot.
    const agreed = log.lastAtMost(Math.min(hintIndex, rejected - 1), hintTerm) ?? log.base.index - 1;
    peer.next = Math.max(peer.match, agreed) + 1;
    peer.probing = false;
    if (this.#lacksEntries(peer)) this.#table.send(from, { type: 'BEHIND_LOG' }, nowMs, out);
    else if (peer.pipelining) this.#table.send(from, { type: 'REJECTED' }, nowMs, out);
    this.#feed(peer, out);
  }

  /** What those have that have got a snapshot, and are not level with the others yet; as far as they answer. */
  get returning(): readonly number[] {
    return [...this.#peers.values()].flatMap(({ returns, answers, match }) =>
      returns && answers ? match : [],
    );
  }

  /** Up to here a follower's log is known to agree; -1 for one that is none. */
  matchOf(id: string): number {
    return this.#peers.get(id)?.match ?? -1;
  }

  /** Whether a majority of the voters, this node among them, was heard from within an election timeout. */
  quorumIsInContact(nowMs: number): boolean {
    const { config, membership } = this.#shared;
    const isInContact = (voter: string): boolean => {
      const peer = this.#peers.get(voter);
      return voter === config.nodeId || (peer !== undefined && this.#isHeard(peer, nowMs));
    };
    return jointVoteResult(membership.quorum, isInContact) === 'won';
  }

  /**
   * Commits what is on the disks of a majority, but only up to an entry of the leader's own term: an older one can be on a majority
   * and still be replaced (thesis 3.6.2, figure 3.7). Returns whether anything was committed.
   */
  advanceCommit(out: Out): boolean {
    const shared = this.#shared;
    const { log, durability, config, membership, term, rules } = shared;
    const index = jointCommittedIndex(membership.quorum, (voter) =>
      voter === config.nodeId ? durability.index : (this.#peers.get(voter)?.match ?? 0),
    );
    if (index <= shared.commitIndex || !rules.mayCommit(log.termAt(index), term)) return false;
    shared.commitIndex = index;
    this.#feedAll(out);
    return true;
  }

  /**
   * This node's lead ends because it is no voter any more: the voter that has most of the log is to stand at once, and of those alike
   * the one whose turn it would be (thesis 3.10).
   */
  inviteSuccessor(out: Out): void {
    const { term, membership, turns } = this.#shared;
    const [best] = membership.electorate.toSorted(
      (a, b) => this.matchOf(b) - this.matchOf(a) || turns.compare(a, b),
    );
    if (best !== undefined) this.#shared.send(out, best, { type: 'timeoutNow', term });
  }

  #isHeard({ contactMs }: Peer, nowMs: number): boolean {
    return nowMs - contactMs < this.#shared.config.electionTimeoutMaxMs;
  }

  #feedAll(out: Out): void {
    for (const peer of this.#peers.values()) this.#feed(peer, out);
  }

  /** Sends what the peer lacks and its mode and window allow. */
  #feed(peer: Peer, out: Out): void {
    const { log, config } = this.#shared;
    // The next heartbeat sees to it that it gets a snapshot.
    if (peer.snapshotting || this.#lacksEntries(peer)) return;
    if (!peer.pipelining) {
      if (peer.probing) return;
      peer.probing = true;
      this.#sendAppend(peer, log.slice(peer.next, log.lastIndex, config.appendBytesMax), out);
      return;
    }
    while (peer.next <= log.lastIndex && this.#hasRoom(peer)) {
      const entries = log.slice(peer.next, log.lastIndex, config.appendBytesMax);
      const bytes = entries.reduce((sum, entry) => sum + entryBytes(entry), 0);
      this.#sendAppend(peer, entries, out);
      peer.next += entries.length;
      peer.window.add(peer.next - 1, bytes);
      if (peer.allowance !== null) peer.allowance -= bytes;
    }
    if (this.#isBehindOnNews(peer)) this.#tellSoon(out);
  }

  #isBehindOnNews({ pipelining, toldCommit, next }: Peer): boolean {
    const { commitIndex, log } = this.#shared;
    return pipelining && toldCommit < commitIndex && next > log.lastIndex;
  }

  /**
   * That something is committed is no message of its own while there are appends to bring it along: with a single writer it would be
   * half of all messages. Who waits for it at a follower, a read or a barrier, is told with its answer.
   */
  #tellSoon(out: Out): void {
    if (this.#news !== null) return;
    this.#news = this.#shared.commitIndex;
    const delayMs = this.#shared.config.heartbeatMs * newsShare;
    out.emit({ type: 'setTimer', timer: newsTimer, delayMs });
  }

  #tellCommit(peer: Peer, out: Out): void {
    const { term, commitIndex } = this.#shared;
    peer.toldCommit = commitIndex;
    this.#shared.send(out, peer.id, { type: 'commit', term, commit: commitIndex });
  }

  // An empty window always has room, so that a batch above the bound still gets through.
  #hasRoom({ window, allowance }: Peer): boolean {
    const { inflightMessagesMax, inflightBytesMax } = this.#shared.config;
    if (allowance !== null && allowance <= 0) return false;
    return (
      window.messages === 0 || (window.messages < inflightMessagesMax && window.bytes < inflightBytesMax)
    );
  }

  #sendAppend(peer: Peer, entries: readonly Entry[], out: Out): void {
    const { log, term, commitIndex } = this.#shared;
    const prevIndex = peer.next - 1;
    const prevTerm = log.termAt(prevIndex) ?? 0;
    peer.toldCommit = commitIndex;
    this.#shared.send(out, peer.id, {
      type: 'append',
      term,
      prevIndex,
      prevTerm,
      commit: commitIndex,
      entries,
    });
  }

  checkpoint(): ReplicationCheckpoint {
    const peers = [...this.#peers.values()].map(({ window, ...peer }) => ({
      ...peer,
      flights: window.checkpoint(),
    }));
    return {
      peers,
      table: this.#table.checkpoint(),
      news: this.#news,
      catchingUp: this.#catchingUp.checkpoint(),
    };
  }

  restore({ peers, table, news, catchingUp }: ReplicationCheckpoint): void {
    this.#news = news;
    this.#catchingUp.restore(catchingUp);
    this.#peers.clear();
    for (const { flights, ...columns } of peers) {
      const window = new Window();
      window.restore(flights);
      this.#peers.set(columns.id, { ...columns, window });
    }
    this.#table.restore(table);
  }
}
