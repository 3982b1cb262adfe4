/** The parts of the core, which of them knows which, and what all of them hold at a checkpoint. */
import type { Sink } from '@cluster/core';
import { Announcements, type Told } from './announcements.ts';
import { Applying, type ApplyingCheckpoint } from './applying.ts';
import { Changes, type ChangesCheckpoint } from './changes.ts';
import { Election, type ElectionCheckpoint } from './election.ts';
import { Following, type FollowingCheckpoint } from './following.ts';
import type { RaftEffect } from './inputs-and-effects.ts';
import { Leading } from './leading.ts';
import { Proposals } from './proposals.ts';
import { ReadRounds, type ReadRoundsCheckpoint } from './read-rounds.ts';
import { Reads, type ReadsCheckpoint } from './reads.ts';
import { Reception, type ReceptionCheckpoint } from './reception.ts';
import { Replication, type ReplicationCheckpoint } from './replication.ts';
import type { RoleEvent } from './role.machine.ts';
import type { Rules } from './rules.ts';
import { Sending, type SendingCheckpoint } from './sending.ts';
import { Snapshots, type SnapshotsCheckpoint } from './snapshots.ts';
import { type CoreConfig, Shared, type SharedCheckpoint } from './state.ts';
import { Transfers } from './transfer.ts';

export interface PartsCheckpoint {
  readonly shared: SharedCheckpoint;
  readonly election: ElectionCheckpoint;
  readonly following: FollowingCheckpoint;
  readonly replication: ReplicationCheckpoint;
  readonly applying: ApplyingCheckpoint;
  readonly proposals: ReturnType<Proposals['checkpoint']>;
  readonly reads: ReadsCheckpoint;
  readonly readRounds: ReadRoundsCheckpoint;
  readonly transfers: ReturnType<Transfers['checkpoint']>;
  readonly snapshots: SnapshotsCheckpoint;
  readonly sending: SendingCheckpoint;
  readonly changes: ChangesCheckpoint;
  readonly reception: ReceptionCheckpoint;
  readonly told: Told;
}

export class Parts {
  readonly shared: Shared;
  readonly election: Election;
  readonly following: Following;
  readonly replication: Replication;
  readonly applying: Applying;
  readonly proposals: Proposals;
  readonly reads: Reads;
  readonly readRounds: ReadRounds;
  readonly transfers: Transfers;
  readonly sending: Sending;
  readonly snapshots: Snapshots;
  readonly changes: Changes;
  readonly leading: Leading;
  readonly announcements: Announcements;
  readonly reception: Reception;

  /** @param raise tells the role machine what a message brought about. */
  constructor(
    config: CoreConfig,
    rules: Rules,
    raise: (event: RoleEvent, nowMs: number, out: Sink<RaftEffect>) => void,
  ) {
    this.shared = new Shared(config, rules);
    this.election = new Election(this.shared);
    this.following = new Following(this.shared);
    this.sending = new Sending(this.shared, () => this.snapshots);
    this.replication = new Replication(this.shared, this.sending);
    this.applying = new Applying(this.shared);
    this.snapshots = new Snapshots(this.shared, this.applying, {
      inUse: () => this.sending.inUse,
      needed: () => [...this.sending.awaited.map(({ index }) => index), ...this.replication.returning],
      supplied: (nowMs, out) => this.sending.supplied(nowMs, out),
      installed: ({ index, term }, nowMs, out) => this.proposals.skipped(index, term, nowMs, out),
    });
    this.proposals = new Proposals(this.shared, (entries, out) => this.replication.append(entries, out));
    this.reads = new Reads(
      this.shared,
      (node, key) => this.readRounds.request(node, key),
      (nowMs) => this.readRounds.lease.holds(nowMs),
    );
    this.readRounds = new ReadRounds(this.shared, (key, index) => this.reads.answered(key, index));
    this.transfers = new Transfers(
      this.shared,
      (peer) => this.replication.matchOf(peer),
      () => this.readRounds.lease.giveUp(),
    );
    this.leading = new Leading(this.shared, this.replication, this.sending, this.readRounds, this.transfers);
    this.changes = new Changes(this.shared, this.replication);
    this.announcements = new Announcements(this.shared);
    this.reception = new Reception(this, raise);
  }

  checkpoint(): PartsCheckpoint {
    return {
      shared: this.shared.checkpoint(),
      election: this.election.checkpoint(),
      following: this.following.checkpoint(),
      replication: this.replication.checkpoint(),
      applying: this.applying.checkpoint(),
      proposals: this.proposals.checkpoint(),
      reads: this.reads.checkpoint(),
      readRounds: this.readRounds.checkpoint(),
      transfers: this.transfers.checkpoint(),
      snapshots: this.snapshots.checkpoint(),
      sending: this.sending.checkpoint(),
      changes: this.changes.checkpoint(),
      reception: this.reception.checkpoint(),
      told: this.announcements.checkpoint(),
    };
  }

  restore(from: PartsCheckpoint): void {
    this.shared.restore(from.shared);
    this.election.restore(from.election);
    this.following.restore(from.following);
    this.replication.restore(from.replication);
    this.applying.restore(from.applying);
    this.proposals.restore(from.proposals);
    this.reads.restore(from.reads);
    this.readRounds.restore(from.readRounds);
    this.transfers.restore(from.transfers);
    this.snapshots.restore(from.snapshots);
    this.sending.restore(from.sending);
    this.changes.restore(from.changes);
    this.reception.restore(from.reception);
    this.announcements.restore(from.told);
  }
}
