/**
 * Planted bugs, put around the ports, or in place of one of the core's rules, so that production code stays as it is. The checkers have to
 * find each of them.
 */
import { assert, type Clock, type Disk, type DiskFile, type Done, type WallClock } from '@cluster/core';
import {
  decodeMessage,
  encodeMessage,
  type FlushPurpose,
  type LogStorage,
  type RaftChannel,
  type Rules,
  type SnapshotStorage,
  thesisRules,
} from '@cluster/raft';
import type { Registers } from './clients.ts';
import type { RegisterValue } from './commands.ts';

/** Changes what a replica's log, network or clients get, or a rule of its core; without it the world is sound. */
export interface Mutant {
  readonly name: string;
  /** Asked at each flush of the log whether to make it; one that is not made is reported as done. */
  readonly flushes?: (purpose: FlushPurpose) => boolean;
  readonly storage?: (storage: LogStorage, clock: Clock) => LogStorage;
  readonly snapshots?: (snapshots: SnapshotStorage) => SnapshotStorage;
  readonly channel?: (channel: RaftChannel, clock: Clock) => RaftChannel;
  readonly rules?: Rules;
  /** What a replica's machine says of its registers. */
  readonly registers?: (registers: Registers) => Registers;
  /** What tells a replica that its own clock stood still. */
  readonly wallClock?: (wallClock: WallClock, clock: Clock) => WallClock;
}

/** Leaves out every flush that is made for one purpose. */
export const withoutFlush = (purpose: FlushPurpose): Mutant => ({
  name: `no flush for ${purpose}`,
  flushes: (asked) => asked !== purpose,
});

/** Leaves nothing out, and notes what is flushed for. */
export const notingFlushes = (purposes: Set<FlushPurpose>): Mutant => ({
  name: 'sound',
  flushes: (purpose) => {
    purposes.add(purpose);
    return true;
  },
});

/** A disk whose flushes are made or left out by purpose. The log says what a flush is for just before it makes it. */
export class FlushGate {
  readonly disk: Disk;
  readonly #makes: (purpose: FlushPurpose) => boolean;
  readonly #clock: Clock;
  #purpose: FlushPurpose | null = null;

  constructor(disk: Disk, clock: Clock, makes: (purpose: FlushPurpose) => boolean) {
    this.#makes = makes;
    this.#clock = clock;
    this.disk = {
      makeDirectory: (path, done) => disk.makeDirectory(path, done),
      list: (path, done) => disk.list(path, done),
      open: (path, options, done) =>
        disk.open(path, options, (outcome) =>
          done(outcome.ok ? { ok: true, value: this.#wrap(outcome.value) } : outcome),
        ),
      rename: (from, to, done) => disk.rename(from, to, done),
      remove: (path, done) => disk.remove(path, done),
      syncDirectory: (path, done) => this.#flush(done, (real) => disk.syncDirectory(path, real)),
    };
  }

  onFlush(purpose: FlushPurpose): void {
    this.#purpose = purpose;
  }

  #wrap(file: DiskFile): DiskFile {
    return {
      path: file.path,
      size: (done) => file.size(done),
      read: (offset, length, done) => file.read(offset, length, done),
      write: (offset, bytes, done) => file.write(offset, bytes, done),
      allocate: (length, done) => file.allocate(length, done),
      truncate: (length, done) => file.truncate(length, done),
      close: (done) => file.close(done),
      sync: (done) => this.#flush(done, (real) => file.sync(real)),
    };
  }

  #flush(done: Done<void>, real: (done: Done<void>) => void): void {
    const purpose = this.#purpose;
    this.#purpose = null;
    assert(purpose !== null, 'every flush says what it is for');
    if (this.#makes(purpose)) real(done);
    else this.#clock.setTimer(0.1, () => done({ ok: true, value: undefined }));
  }
}

/** The vote is granted and never written. */
export const voteNotPersisted: Mutant = {
  name: 'vote not persisted',
  storage: (storage) => ({
    recover: (groupId, done) => storage.recover(groupId, done),
    write: (groupId, write, done) => {
      const { hardState } = write;
      const kept = hardState === null ? null : { ...hardState, vote: null };
      storage.write(groupId, { ...write, hardState: kept }, done);
    },
  }),
};

/** Writes are called durable as soon as they are made. */
export const acknowledgedBeforeFlush: Mutant = {
  name: 'acknowledged before the flush',
  storage: (storage, clock) => ({
    recover: (groupId, done) => storage.recover(groupId, done),
    write: (groupId, write, done) => {
      let told = false;
      const tell: Done<void> = (outcome) => {
        if (!told) done(outcome);
        told = true;
      };
      clock.setTimer(0, () => tell({ ok: true, value: undefined }));
      storage.write(groupId, write, tell);
    },
  }),
};

/** A log that is damaged is taken for an empty one. */
export const damageForgotten: Mutant = {
  name: 'a damaged log taken for an empty one',
  storage: (storage) => ({
    write: (groupId, write, done) => storage.write(groupId, write, done),
    recover: (groupId, done) =>
      storage.recover(groupId, (outcome) => {
        const isDamaged = !outcome.ok && outcome.error.code === 'RAFT_LOG_DAMAGED';
        const empty = { hardState: { term: 0, vote: null }, base: { index: 0, term: 0 }, entries: [] };
        done(isDamaged ? { ok: true, value: empty } : outcome);
      }),
  }),
};

/** Snapshots keep the state and forget who has done what: a command that is repeated is applied again. */
export const sessionsLeftOut: Mutant = {
  name: 'sessions left out of snapshots',
  snapshots: (snapshots) => ({
    ...boundTo(snapshots),
    save: (groupId, meta, image, done) => snapshots.save(groupId, { ...meta, sessions: [] }, image, done),
  }),
};

/** The snapshot goes that the log begins behind. */
export const snapshotRemoved: Mutant = {
  name: 'a snapshot removed while the log rests on it',
  snapshots: (snapshots) => ({
    ...boundTo(snapshots),
    keepOnly: (groupId, ids, done) =>
      snapshots.keepOnly(
        groupId,
        ids.map((id) => ({ ...id, index: id.index + 1 })),
        done,
      ),
  }),
};

const boundTo = (snapshots: SnapshotStorage): SnapshotStorage => ({
  recover: (groupId, done) => snapshots.recover(groupId, done),
  save: (groupId, meta, image, done) => snapshots.save(groupId, meta, image, done),
  read: (groupId, id, offset, length, done) => snapshots.read(groupId, id, offset, length, done),
  open: (groupId, id, done) => snapshots.open(groupId, id, done),
  receive: (groupId, id, offset, bytes, done) => snapshots.receive(groupId, id, offset, bytes, done),
  accept: (groupId, id, done) => snapshots.accept(groupId, id, done),
  keepOnly: (groupId, ids, done) => snapshots.keepOnly(groupId, ids, done),
});

/** A leader takes every voter's word for granted that it still leads: reads are answered without a round. */
export const readWithoutQuorum: Mutant = {
  name: 'reads without the quorum round',
  channel: (channel, clock) => {
    let deliver: (from: string, bytes: Uint8Array) => void = () => undefined;
    return {
      onMessage: (receive) => channel.onMessage((deliver = receive)),
      send: (to, bytes) => {
        const decoded = decodeMessage(bytes, bytes.length);
        if (!('message' in decoded) || decoded.message.type !== 'confirm') return channel.send(to, bytes);
        const { groupId, message } = decoded;
        const confirmed = encodeMessage({ groupId, message: { ...message, type: 'confirmed' } });
        clock.setTimer(0, () => deliver(to, confirmed));
      },
    };
  },
};

/** A suspended machine does not notice: its time of day stands still with its clock. */
export const leaseTrustedAcrossPause: Mutant = {
  name: 'a lease trusted across a pause',
  wallClock: (_wallClock, clock) => ({ nowMs: () => clock.nowMs() }),
};

/** What a node that came later acknowledges is counted as the word of a voter, whether it has a vote or not. */
export const learnerCounted: Mutant = {
  name: 'a learner is counted',
  channel: (channel) => ({
    send: (to, bytes) => channel.send(to, bytes),
    onMessage: (receive) =>
      channel.onMessage((from, bytes) => {
        receive(from, bytes);
        const decoded = decodeMessage(bytes, bytes.length);
        const isAnswer = 'message' in decoded && decoded.message.type === 'appendAccepted';
        if (isAnswer && from > 'n3') receive('n2', bytes);
      }),
  }),
};

/** A change of members counts only once it is agreed on: by the majorities before it (thesis 4.1). */
export const inForceAtCommit: Mutant = {
  name: 'a configuration in force at its commit',
  rules: {
    ...thesisRules,
    inForce: (placed, commitIndex) => placed.findLast(({ index }) => index <= commitIndex),
  },
};

/** A change of members is taken for agreed on as soon as it is in the log, and so the next one begins while it is open (thesis 4.1). */
export const secondChangeWhileOpen: Mutant = {
  name: 'a second change while one is open',
  rules: { ...thesisRules, isAgreedOn: () => true },
};

/** While the voters change, the new ones decide alone (thesis 4.3). */
export const singleMajorityInJoint: Mutant = {
  name: 'a single majority in a joint configuration',
  rules: { ...thesisRules, votersOf: ({ voters }) => ({ incoming: voters, outgoing: [] }) },
};

/** What a majority has is committed, whoever's term it is of (thesis 3.6.2, figure 3.7). */
export const oldTermsCounted: Mutant = {
  name: 'entries of earlier terms committed by counting',
  rules: { ...thesisRules, mayCommit: () => true },
};

/** A machine that keeps what it has once looked up, though it is written over. */
export const registersCached: Mutant = {
  name: 'registers answered from a cache',
  registers: (registers) => {
    const cache = new Map<number, RegisterValue>();
    return (key) => {
      const value = cache.get(key) ?? registers(key);
      cache.set(key, value);
      return value;
    };
  },
};

/** Changes what a node that was removed is told of it; null: nothing. */
const tellingTheLeftOut =
  (told: (index: number) => number | null) =>
  (channel: RaftChannel): RaftChannel => ({
    onMessage: (receive) => channel.onMessage(receive),
    send: (to, bytes) => {
      const decoded = decodeMessage(bytes, bytes.length);
      if (!('message' in decoded) || decoded.message.type !== 'leftOut') return channel.send(to, bytes);
      const { groupId, message } = decoded;
      const index = told(message.index);
      if (index !== null) channel.send(to, encodeMessage({ groupId, message: { ...message, index } }));
    },
  });

/** Nobody tells a candidate that it is no member any more. */
export const leftOutUntold: Mutant = {
  name: 'a removed node that is not told',
  channel: tellingTheLeftOut(() => null),
};

/** News of a removal holds for whatever comes later in the log: who is added again stays silent. */
export const leftOutForEver: Mutant = {
  name: 'a removal that outlasts being added again',
  channel: tellingTheLeftOut((index) => index + 1_000_000),
};
