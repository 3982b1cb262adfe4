/** The numbers a replica reports. Gauges follow the core after each of its writes, batches and changes of role. */
import type { Clock, Counter, Gauge, Histogram, Metrics } from '@cluster/core';
import type { RaftCore } from './core/raft-core.ts';
import type { Entry } from './core/types.ts';

export interface RaftMetrics {
  readonly elections: Counter;
  readonly term: Gauge;
  readonly isLeader: Gauge;
  readonly commitIndex: Gauge;
  readonly appliedIndex: Gauge;
  readonly lastIndex: Gauge;
  readonly pendingProposals: Gauge;
  readonly openSessions: Gauge;
  readonly proposals: Counter;
  readonly proposalsFailed: Counter;
  readonly reads: Counter;
  readonly readsFailed: Counter;
  readonly leaseReads: Counter;
  readonly messagesSent: Counter;
  readonly messagesReceived: Counter;
  readonly messagesRejected: (reason: string) => Counter;
  readonly leftOutTold: Counter;
  readonly entriesAppended: Counter;
  readonly bytesAppended: Counter;
  readonly proposalMs: Histogram;
  readonly readMs: Histogram;
  readonly appendMs: Histogram;
  readonly flushMs: Histogram;
}

const silentMetrics: Metrics = {
  counter: () => ({ add: () => undefined }),
  gauge: () => ({ set: () => undefined }),
  histogram: () => ({ observe: () => undefined }),
};

export function raftMetrics(metrics: Metrics = silentMetrics, groupId = 0): RaftMetrics {
  const labels = { group: String(groupId) };
  const counter = (name: string, help: string): Counter => metrics.counter(name, { help, labels });
  const gauge = (name: string, help: string): Gauge => metrics.gauge(name, { help, labels });
  const histogram = (name: string, help: string): Histogram => metrics.histogram(name, { help, labels });
  return {
    elections: counter('raft_elections', 'Elections this node has stood in.'),
    term: gauge('raft_term', 'The term this node is in.'),
    isLeader: gauge('raft_is_leader', '1 while this node leads its group.'),
    commitIndex: gauge('raft_commit_index', 'Last index known to be committed.'),
    appliedIndex: gauge('raft_applied_index', 'Last index that is in the state machine.'),
    lastIndex: gauge('raft_last_index', 'Last index of the log.'),
    pendingProposals: gauge('raft_pending_proposals', 'Proposals of this node that are not answered yet.'),
    openSessions: gauge('raft_open_sessions', 'Open client sessions.'),
    proposals: counter('raft_proposals', 'Proposals made at this node.'),
    proposalsFailed: counter(
      'raft_proposals_failed',
      'Proposals made at this node that ended without a result.',
    ),
    reads: counter('raft_reads', 'Linearizable reads made at this node.'),
    leaseReads: counter('raft_lease_reads', 'Reads that this node answered from its lease.'),
    readsFailed: counter('raft_reads_failed', 'Linearizable reads made at this node that got no index.'),
    messagesSent: counter('raft_messages_sent', 'Messages handed to the channel.'),
    messagesReceived: counter('raft_messages_received', 'Messages from the channel, bad ones included.'),
    messagesRejected: (reason) =>
      metrics.counter('raft_messages_rejected', { help: 'Messages refused.', labels: { ...labels, reason } }),
    leftOutTold: counter(
      'raft_left_out_told',
      'Candidates that were told that the members agreed on leave them out.',
    ),
    entriesAppended: counter('raft_entries_appended', 'Entries written to the log.'),
    bytesAppended: counter('raft_bytes_appended', 'Bytes of commands written to the log.'),
    proposalMs: histogram('raft_proposal_duration_ms', 'From a proposal at this node to its result.'),
    readMs: histogram(
      'raft_read_duration_ms',
      'From a linearizable read at this node to its index being applied.',
    ),
    appendMs: histogram(
      'raft_append_duration_ms',
      'From an append at the leader to its commit (one at a time is measured).',
    ),
    flushMs: histogram(
      'raft_flush_duration_ms',
      'From a write of the log to its durability, time in the queue included.',
    ),
  };
}

/** Keeps the numbers of one replica up to date. */
export class Meter {
  readonly #metrics: RaftMetrics;
  readonly #clock: Clock;
  #elections = 0;
  #leaseReads = 0;
  // One append at a time is timed: enough for a distribution, and free of a table.
  #timed: { readonly index: number; readonly startedMs: number } | null = null;

  constructor(metrics: RaftMetrics, clock: Clock) {
    this.#metrics = metrics;
    this.#clock = clock;
  }

  appended(entries: readonly Entry[], isLeader: boolean): void {
    const last = entries.at(-1);
    if (last === undefined) return;
    this.#metrics.entriesAppended.add(entries.length);
    this.#metrics.bytesAppended.add(entries.reduce((sum, { command }) => sum + command.length, 0));
    if (isLeader) this.#timed ??= { index: last.index, startedMs: this.#clock.nowMs() };
  }

  follow(core: RaftCore, pendingProposals: number): void {
    const metrics = this.#metrics;
    metrics.elections.add(core.electionsStarted - this.#elections);
    this.#elections = core.electionsStarted;
    metrics.leaseReads.add(core.leaseReads - this.#leaseReads);
    this.#leaseReads = core.leaseReads;
    metrics.term.set(core.currentTerm);
    metrics.isLeader.set(core.role === 'leader' ? 1 : 0);
    metrics.commitIndex.set(core.commitIndex);
    metrics.appliedIndex.set(core.appliedIndex);
    metrics.lastIndex.set(core.lastIndex);
    metrics.pendingProposals.set(pendingProposals);
    metrics.openSessions.set(core.openSessions);
    const timed = this.#timed;
    if (timed === null || (core.role === 'leader' && core.commitIndex < timed.index)) return;
    this.#timed = null;
    if (core.role === 'leader') metrics.appendMs.observe(this.#clock.nowMs() - timed.startedMs);
  }
}
