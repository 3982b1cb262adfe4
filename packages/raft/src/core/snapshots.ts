/**
 * A node's own snapshots (thesis 5.1): when one is taken, what of the log goes then, and how one that the leader sends takes the place
 * of log and state.
 */
import { type InstanceCheckpoint, MachineInstance, type Sink, Stepper } from '@cluster/core';
import type { Applying } from './applying.ts';
import type { Supply } from './sending.ts';
import { snapshotMachine } from './snapshot.machine.ts';
import { hasGrown, shortenedTo } from './snapshot-policy.ts';
import type { Shared } from './state.ts';
import type { SnapshotAnswer, SnapshotPiece } from './messages.ts';
import type { RaftEffect, RaftInput } from './inputs-and-effects.ts';
import type { SnapshotId, SnapshotMeta, SnapshotOutcome } from './types.ts';

type Out = Sink<RaftEffect>;
type Input<T extends RaftInput['type']> = Extract<RaftInput, { type: T }>;

/** A snapshot that is being received, or has been and is not installed yet. */
interface Incoming {
  readonly id: SnapshotId;
  from: string;
  /** Up to here it is written. */
  end: number;
  writing: boolean;
  meta: SnapshotMeta | null;
}

export interface SnapshotsCheckpoint {
  readonly machine: InstanceCheckpoint | null;
  readonly latest: SnapshotId | null;
  readonly isTrusted: boolean;
  readonly isWanted: boolean;
  readonly notBeforeMs: number;
  readonly saved: SnapshotId | null;
  readonly incoming: Incoming | null;
  readonly beginSequence: number;
  readonly asked: readonly number[];
  readonly failure: string;
}

/** What the rest of the core does about snapshots. */
export interface SnapshotHooks {
  /** Those that are being sent to followers. */
  readonly inUse: () => readonly SnapshotId[];
  /** Behind which the followers will need the log that are being brought back and answer. */
  readonly needed: () => readonly number[];
  /** A snapshot that can be sent is there. */
  readonly supplied: (nowMs: number, out: Out) => void;
  /** A snapshot has taken the place of the entries up to its own. */
  readonly installed: (meta: SnapshotMeta, nowMs: number, out: Out) => void;
}

const stepper = new Stepper(snapshotMachine);
// What could not be taken or written will not be a moment later either.
const retryMs = 5000;

export class Snapshots implements Supply {
  readonly #shared: Shared;
  readonly #applying: Applying;
  readonly #hooks: SnapshotHooks;
  readonly #machine: MachineInstance<typeof snapshotMachine, RaftEffect>;
  #latest: SnapshotId | null = null;
  // False after a follower found it damaged, until there is another.
  #isTrusted = true;
  // A follower needs one.
  #isWanted = false;
  // None is taken by itself before then.
  #notBeforeMs = 0;
  // On the disk, and not taken notice of yet; null between two inputs.
  #saved: SnapshotId | null = null;
  #incoming: Incoming | null = null;
  // The write after which the log on the disk begins behind the snapshot.
  #beginSequence = 0;
  // Who waits for a snapshot to be taken.
  #asked: number[] = [];
  // Why the last one failed.
  #failure = '';

  constructor(shared: Shared, applying: Applying, hooks: SnapshotHooks) {
    this.#shared = shared;
    this.#applying = applying;
    this.#hooks = hooks;
    this.#machine = new MachineInstance('snapshot', stepper, (action, nowMs, out) =>
      this.#perform(action.type, nowMs, out),
    );
  }

  get latest(): SnapshotId | null {
    return this.#latest;
  }

  /** What the machine is doing, e.g. `idle` or `receiving`. */
  get state(): string {
    return this.#machine.state;
  }

  get usable(): SnapshotId | null {
    const joinsLog = (this.#latest?.index ?? 0) >= this.#shared.log.base.index;
    return this.#isTrusted && joinsLog ? this.#latest : null;
  }

  start(latest: SnapshotId | null, nowMs: number, out: Out): void {
    const { log, config } = this.#shared;
    this.#latest = latest;
    // A crash came between the arrival of the snapshot and the beginning of the log behind it.
    if (latest !== null && latest.index > log.base.index && !log.has(latest.index, latest.term)) {
      this.#shared.rebase({ index: latest.index, term: latest.term }, null, out);
    }
    if (latest !== null) out.emit({ type: 'keepSnapshots', ids: [latest] });
    this.#machine.start({ silenceMs: 4 * config.electionTimeoutMaxMs }, nowMs, out);
  }

  /** After every input and before entries are applied: what the machine waits for may have come about. */
  advance(nowMs: number, out: Out): void {
    const machine = this.#machine;
    const { isBusy, appliedIndex } = this.#applying;
    if (machine.in('idle')) {
      if (!isBusy && this.#isDue(nowMs)) machine.send({ type: 'WANTED' }, nowMs, out);
    } else if (machine.in('waiting')) {
      const isOvertaken = appliedIndex >= (this.#incoming?.id.index ?? 0);
      if (!isBusy) machine.send({ type: isOvertaken ? 'OVERTAKEN' : 'READY' }, nowMs, out);
    } else if (machine.in('beginningLog') && this.#shared.durability.completed >= this.#beginSequence) {
      machine.send({ type: 'LOG_BEGUN' }, nowMs, out);
    }
  }

  #isDue(nowMs: number): boolean {
    const { config } = this.#shared;
    const { appliedIndex } = this.#applying;
    if (!config.takesSnapshots || appliedIndex === 0) return false;
    if (this.#asked.length > 0) return true;
    if (nowMs < this.#notBeforeMs) return false;
    return this.#isWanted || hasGrown(this.#shared, appliedIndex, this.#latest);
  }

  /** Somebody wants one taken now. */
  ask(ref: number, out: Out): void {
    const { appliedIndex } = this.#applying;
    const isThere = appliedIndex === 0 || this.usable?.index === appliedIndex;
    if (isThere) this.#tell(ref, { status: 'taken', index: appliedIndex }, out);
    else this.#asked.push(ref);
  }

  /** Whoever asked waits no longer; a snapshot may be taken all the same. */
  abandon(ref: number, out: Out): void {
    const before = this.#asked.length;
    this.#asked = this.#asked.filter((asked) => asked !== ref);
    if (this.#asked.length < before) this.#tell(ref, { status: 'failed', reason: 'abandoned' }, out);
  }

  want(): void {
    this.#isWanted = this.usable === null;
  }

  distrust(id: SnapshotId): void {
    if (this.#latest !== null && isSame(id, this.#latest)) this.#isTrusted = false;
  }

  released(out: Out): void {
    this.#shorten(out);
  }

  imageTaken(nowMs: number, out: Out): void {
    this.#machine.send({ type: 'IMAGE_TAKEN' }, nowMs, out);
  }

  saved({ id }: Input<'SNAPSHOT_SAVED'>, nowMs: number, out: Out): void {
    this.#saved = id;
    this.#machine.send({ type: 'SAVED' }, nowMs, out);
    this.#saved = null;
  }

  failed({ reason }: Input<'SNAPSHOT_FAILED'>, nowMs: number, out: Out): void {
    this.#failure = reason;
    if (this.#incoming !== null) this.#incoming.writing = false;
    this.#machine.send({ type: 'FAILED' }, nowMs, out);
  }

  /** The leader sends a piece. @returns why the message is impossible, or null. */
  offered(from: string, piece: SnapshotPiece, nowMs: number, out: Out): string | null {
    const { snapshot: id, offset, bytes } = piece;
    const { log, commitIndex, durability } = this.#shared;
    if (offset + bytes.length > id.bytes) return 'pieceBeyondEnd';
    // It lacks nothing of what the snapshot covers (thesis 5.1); an old snapshot is not taken either.
    if (id.index <= commitIndex || log.has(id.index, id.term)) {
      if (durability.index >= id.index) this.#answer(from, id, id.bytes, 'done', out);
      return null;
    }
    const isOther = this.#incoming === null || !isSame(id, this.#incoming.id);
    const isOpen = this.#machine.in('idle') || this.#machine.in('receiving');
    if (isOther && isOpen && this.#incoming?.writing !== true) {
      this.#incoming = { id, from, end: 0, writing: false, meta: null };
      this.#machine.send({ type: 'OFFERED' }, nowMs, out);
    } else if (isOther) {
      this.#answer(from, id, 0, 'busy', out);
      return null;
    }
    this.#takePiece(from, piece, nowMs, out);
    return null;
  }

  #takePiece(from: string, { snapshot: id, offset, bytes }: SnapshotPiece, nowMs: number, out: Out): void {
    const incoming = this.#incoming;
    if (incoming === null) return;
    incoming.from = from;
    if (this.#machine.in('idle')) this.#machine.send({ type: 'OFFERED' }, nowMs, out);
    const isNext = this.#machine.in('receiving') && offset === incoming.end && bytes.length > 0;
    if (!isNext || incoming.writing) return this.#answer(from, id, incoming.end, 'more', out);
    incoming.writing = true;
    out.emit({ type: 'writePiece', id, offset, bytes });
  }

  pieceWritten({ id, end }: Input<'PIECE_WRITTEN'>, nowMs: number, out: Out): void {
    const incoming = this.#incoming;
    if (incoming === null || !isSame(id, incoming.id)) return;
    incoming.writing = false;
    incoming.end = end;
    this.#machine.send({ type: end === id.bytes ? 'COMPLETE' : 'PIECE_WRITTEN' }, nowMs, out);
    this.#answer(incoming.from, id, end, 'more', out);
  }

  checked({ id, meta }: Input<'SNAPSHOT_CHECKED'>, nowMs: number, out: Out): void {
    const incoming = this.#incoming;
    if (incoming === null || !isSame(id, incoming.id)) return;
    incoming.meta = meta;
    this.#machine.send({ type: meta === null ? 'REFUSED' : 'ACCEPTED' }, nowMs, out);
  }

  installed(nowMs: number, out: Out): void {
    this.#machine.send({ type: 'INSTALLED' }, nowMs, out);
  }

  fire(timer: string, nowMs: number, out: Out): boolean {
    return this.#machine.fire(timer, nowMs, out);
  }

  #perform(action: string, nowMs: number, out: Out): void {
    const shared = this.#shared;
    const incoming = this.#incoming;
    switch (action) {
      case 'takeImage':
        shared.holdsApplying = true;
        this.#isWanted = false;
        return out.emit({ type: 'takeSnapshot', meta: this.#meta() });
      case 'holdApplying':
        shared.holdsApplying = true;
        return;
      case 'resumeApplying':
        shared.holdsApplying = false;
        return;
      case 'keep':
        if (this.#saved === null) return;
        this.#adopt(this.#saved, nowMs, out);
        out.emit({ type: 'snapshotTaken', id: this.#saved });
        return this.#tellAsked({ status: 'taken', index: this.#saved.index }, out);
      case 'reportFailure':
        this.#incoming = null;
        this.#notBeforeMs = nowMs + retryMs;
        out.emit({ type: 'snapshotFailed', reason: this.#failure });
        return this.#tellAsked({ status: 'failed', reason: this.#failure }, out);
      case 'check':
        if (incoming !== null) out.emit({ type: 'checkSnapshot', id: incoming.id });
        return;
      case 'refuse':
        this.#incoming = null;
        if (incoming !== null) this.#answer(incoming.from, incoming.id, 0, 'refused', out);
        return;
      case 'adopt':
        this.#incoming = null;
        if (incoming !== null) this.#adopt(incoming.id, nowMs, out);
        return;
      case 'beginLog':
        return this.#beginLog(out);
      case 'install':
        if (incoming === null || incoming.meta === null) return;
        return out.emit({ type: 'installSnapshot', id: incoming.id, meta: incoming.meta });
      case 'finish':
        return this.#finish(nowMs, out);
      default:
        return;
    }
  }

  #meta(): SnapshotMeta {
    const { log, membership } = this.#shared;
    const index = this.#applying.appliedIndex;
    const configuration = membership.at(index);
    return {
      index,
      term: log.termAt(index) ?? 0,
      configuration,
      sessions: this.#applying.sessionRecords(),
    };
  }

  /** What the snapshot covers was committed, whether this node had heard of it or not. */
  #beginLog(out: Out): void {
    const shared = this.#shared;
    const meta = this.#incoming?.meta;
    if (meta === undefined || meta === null) return;
    const { index, term, configuration } = meta;
    shared.commitIndex = Math.max(shared.commitIndex, index);
    shared.rebase({ index, term }, configuration, out);
    this.#beginSequence = shared.durability.sequence;
  }

  #finish(nowMs: number, out: Out): void {
    const incoming = this.#incoming;
    if (incoming === null || incoming.meta === null) return;
    this.#incoming = null;
    const { id, meta, from } = incoming;
    this.#applying.load(meta.index, meta.sessions);
    this.#adopt(id, nowMs, out);
    this.#hooks.installed(meta, nowMs, out);
    out.emit({ type: 'snapshotInstalled', id });
    this.#answer(from, id, id.bytes, 'done', out);
  }

  /** From now on this is the latest one, unless there is a later. */
  #adopt(id: SnapshotId, nowMs: number, out: Out): void {
    if (this.#latest === null || !this.#isTrusted || id.index > this.#latest.index) {
      this.#latest = id;
      this.#isTrusted = true;
    }
    this.#hooks.supplied(nowMs, out);
    this.#shorten(out);
  }

  /** Drops what the latest snapshot covers from the log, but for what is kept all the same, and the snapshots that nobody needs. */
  #shorten(out: Out): void {
    const latest = this.#latest;
    if (latest === null) return;
    const base = shortenedTo(this.#shared, latest, this.#hooks.needed());
    if (base !== null) this.#shared.rebase(base, null, out);
    out.emit({ type: 'keepSnapshots', ids: [latest, ...this.#hooks.inUse()] });
  }

  #answer(to: string, id: SnapshotId, offset: number, status: SnapshotAnswer['status'], out: Out): void {
    const { term, leaderId } = this.#shared;
    if (to !== leaderId) return;
    const { index } = id;
    this.#shared.sendWhenTermIsDurable(out, to, { type: 'snapshotAnswer', term, index, offset, status });
  }

  #tellAsked(outcome: SnapshotOutcome, out: Out): void {
    for (const ref of this.#asked.splice(0)) this.#tell(ref, outcome, out);
  }

  #tell(ref: number, outcome: SnapshotOutcome, out: Out): void {
    out.emit({ type: 'snapshotEnded', ref, outcome });
  }

  checkpoint(): SnapshotsCheckpoint {
    return {
      machine: this.#machine.started ? this.#machine.checkpoint() : null,
      latest: this.#latest,
      isTrusted: this.#isTrusted,
      isWanted: this.#isWanted,
      notBeforeMs: this.#notBeforeMs,
      saved: this.#saved,
      incoming: this.#incoming && { ...this.#incoming },
      beginSequence: this.#beginSequence,
      asked: [...this.#asked],
      failure: this.#failure,
    };
  }

  restore(from: SnapshotsCheckpoint): void {
    if (from.machine !== null) this.#machine.restore(from.machine);
    this.#latest = from.latest;
    this.#isTrusted = from.isTrusted;
    this.#isWanted = from.isWanted;
    this.#notBeforeMs = from.notBeforeMs;
    this.#saved = from.saved;
    this.#incoming = from.incoming && { ...from.incoming };
    this.#beginSequence = from.beginSequence;
    this.#asked = [...from.asked];
    this.#failure = from.failure;
  }
}

const isSame = (a: SnapshotId, b: SnapshotId): boolean =>
  a.index === b.index && a.term === b.term && a.bytes === b.bytes && a.crc === b.crc;
