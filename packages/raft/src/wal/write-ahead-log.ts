/**
 * The durable log (thesis 3.8, 10.2): a segmented write-ahead log over a `Disk`, shared by all groups of a process.
 *
 * One frame is under way at a time. What is written meanwhile queues and goes into the next frame, so the number of flushes does
 * not depend on the number of writers. A frame, all that it holds, is durable when its sync is done, and only then are its writes
 * told so. After any error nothing more is written: what a failed sync has left behind is not known.
 *
 * Segments that hold nothing but what snapshots cover go, oldest first, after a write has moved the base of a group; one of them is kept
 * to become the next.
 */
import {
  type ClusterError,
  type Counter,
  type Disk,
  type DiskFile,
  type Done,
  type Metrics,
  parseConfig,
  runTask,
  type Task,
  wait,
} from '@cluster/core';
import { ByteWriter } from '../bytes.ts';
import { type WalConfig, type WalConfigInput, walConfigSchema } from '../config.ts';
import { groupInUse, storageClosed, storageFailed } from '../errors.ts';
import type { LogStorage, LogWrite, RecoveredLog } from '../ports.ts';
import { Coverage, type GroupWrite } from './coverage.ts';
import {
  type Chain,
  segmentHeaderBytes,
  segmentName,
  writeFrame,
  writeRecords,
  writeSegmentHeader,
} from './format.ts';
import type { Groups } from './groups.ts';
import { type Flush, writeDurably } from './flushing.ts';
import { type OpenSegment, recoverWal, type Segment } from './recovery.ts';
import { SpareSegment } from './spare.ts';

export interface WriteAheadLogOptions extends WalConfigInput {
  readonly disk: Disk;
  readonly metrics?: Metrics | undefined;
  /** Told of each flush just before it is made: for tests and tools. */
  readonly onFlush?: Flush | undefined;
  /**
   * Runs something once what runs now has ended; on a loop of events: `queueMicrotask`. To be given where several groups share the log: a write
   * that finds nothing under way then waits for those that the other groups make in the same turn, and one flush is for all. Without it such
   * a write begins at once, and the others of its turn share the next flush.
   */
  readonly afterTurn?: ((run: () => void) => void) | undefined;
}

interface Queued extends GroupWrite {
  readonly done: Done<void>;
}

// A buffer that grew beyond this for a large frame is given back.
const keptBufferBytes = 8 * 1024 * 1024;

export class WriteAheadLog implements LogStorage {
  readonly #disk: Disk;
  readonly #config: WalConfig;
  readonly #flush: Flush;
  readonly #afterTurn: (run: () => void) => void;
  readonly #spare: SpareSegment;
  readonly #bytesWritten: Counter | undefined;
  readonly #flushes: Counter | undefined;
  #writer = new ByteWriter(64 * 1024);
  #groups: Groups | null = null;
  #coverage = new Coverage(new Map());
  readonly #recovered = new Set<number>();
  #opening: Done<void>[] | null = null;
  #chain: Chain = { crc: 0, sequence: 0 };
  #segments: Segment[] = [];
  #current: OpenSegment | null = null;
  #queue: Queued[] = [];
  #writing = false;
  #failure: ClusterError | null = null;
  #closing: Done<void> | null = null;

  /** Nothing is read before the first `recover`. @throws ClusterError `RAFT_CONFIG_INVALID` */
  constructor({ disk, metrics, onFlush, afterTurn, ...config }: WriteAheadLogOptions) {
    this.#disk = disk;
    this.#afterTurn = afterTurn ?? ((run) => run());
    this.#config = parseConfig(walConfigSchema, config, 'RAFT_CONFIG_INVALID');
    this.#bytesWritten = metrics?.counter('raft_wal_bytes_written', {
      help: 'Bytes of frames written to the log.',
    });
    this.#flushes = metrics?.counter('raft_wal_flushes', { help: 'Flushes of the log and its folder.' });
    this.#flush = (purpose, path) => {
      this.#flushes?.add();
      onFlush?.(purpose, path);
    };
    const { directory, segmentBytes } = this.#config;
    this.#spare = new SpareSegment(disk, directory, segmentBytes, this.#flush);
  }

  /** Oldest first. */
  get segments(): readonly string[] {
    return this.#segments.map(({ path }) => path);
  }

  recover(groupId: number, done: Done<RecoveredLog>): void {
    this.#whenOpen((opened) => {
      if (!opened.ok) return done(opened);
      if (this.#recovered.has(groupId)) return done({ ok: false, error: groupInUse(groupId) });
      this.#recovered.add(groupId);
      done({ ok: true, value: (this.#groups as Groups).take(groupId) });
    });
  }

  write(groupId: number, write: LogWrite, done: Done<void>): void {
    const error = this.#failure ?? (this.#groups === null || this.#closing !== null ? storageClosed() : null);
    if (error !== null) return done({ ok: false, error });
    this.#queue.push({ groupId, write, done });
    if (this.#writing) return;
    this.#writing = true;
    this.#afterTurn(() => this.#writeQueue());
  }

  /** After what is being written; later writes fail. */
  close(done: Done<void>): void {
    if (this.#opening !== null) return void this.#opening.push(() => this.close(done));
    if (this.#closing !== null || this.#groups === null) return done({ ok: true, value: undefined });
    this.#closing = done;
    if (!this.#writing) this.#finishClosing();
  }

  #whenOpen(done: Done<void>): void {
    if (this.#closing !== null) return done({ ok: false, error: storageClosed() });
    if (this.#failure !== null) return done({ ok: false, error: this.#failure });
    if (this.#groups !== null) return done({ ok: true, value: undefined });
    if (this.#opening !== null) {
      this.#opening.push(done);
      return;
    }
    this.#opening = [done];
    runTask(this.#open(), (outcome) => {
      if (!outcome.ok) this.#failure = asStorageError('The log cannot be opened', outcome.error);
      const result = this.#failure === null ? outcome : { ok: false as const, error: this.#failure };
      const waiting = this.#opening ?? [];
      this.#opening = null;
      for (const each of waiting) each(result);
    });
  }

  *#open(): Task<void> {
    const recovered = yield* recoverWal(this.#disk, this.#config.directory, this.#flush);
    this.#chain = recovered.chain;
    this.#segments = [...recovered.segments];
    this.#current = recovered.current;
    // The first segment's file is made now: a folder that cannot be written to should be known at the start.
    if (this.#current === null) this.#current = yield* this.#makeSegment(1);
    this.#coverage = new Coverage(recovered.groups.states());
    this.#groups = recovered.groups;
  }

  #writeQueue(): void {
    runTask(this.#drain(), (outcome) => {
      this.#writing = false;
      if (!outcome.ok) this.#fail(outcome.error);
      if (this.#closing !== null) this.#finishClosing();
    });
  }

  *#drain(): Task<void> {
    while (this.#queue.length > 0) {
      const group = this.#takeGroup();
      try {
        yield* this.#commit(group);
      } catch (error) {
        this.#queue = [...group, ...this.#queue];
        throw error;
      }
      for (const { done } of group) done({ ok: true, value: undefined });
      yield* this.#dropCovered();
    }
  }

  /**
   * Removes the segments that nobody needs any more. Each name is gone for good before the next is removed: a gap between the ones
   * that are left would look like damage.
   */
  *#dropCovered(): Task<void> {
    const count = Math.min(this.#coverage.dispensable(this.#segments), this.#segments.length - 1);
    if (count === 0) return;
    yield* this.#commit(this.#coverage.restated());
    for (const { path } of this.#segments.splice(0, count)) {
      yield* this.#spare.keep(path);
      this.#flush('removedName', this.#config.directory);
      yield* wait<void>((done) => this.#disk.syncDirectory(this.#config.directory, done));
    }
    this.#spare.prepare();
  }

  /** What shares the next frame: everything that is queued, up to the bound. */
  #takeGroup(): Queued[] {
    let bytes = 0;
    let count = 0;
    for (const { write } of this.#queue) {
      bytes += write.entries.reduce((sum, { command }) => sum + command.length, 0);
      if (count > 0 && bytes > this.#config.groupBytesMax) break;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  /** Writes one frame and makes it durable. */
  *#commit(group: readonly GroupWrite[]): Task<void> {
    const writer = this.#writer;
    writer.reset();
    const records = (to: ByteWriter): void => {
      for (const { groupId, write } of group) writeRecords(to, groupId, write);
    };
    const chain = writeFrame(writer, this.#chain, records);
    const segment = yield* this.#segmentFor(writer.length);
    const isFirst = segment.end === 0;
    if (isFirst) {
      // The header goes out with the first frame, in one write.
      writer.reset();
      writeSegmentHeader(writer, { number: segment.number, chain: this.#chain });
      writeFrame(writer, this.#chain, records);
    }
    const bytes = writer.view();
    yield* this.#grow(segment, segment.end + bytes.length);
    yield* writeDurably(segment.file, segment.end, bytes, () => this.#flush('commit', segment.path));
    if (isFirst) {
      this.#flush('segmentName', this.#config.directory);
      yield* wait<void>((done) => this.#disk.syncDirectory(this.#config.directory, done));
    }
    segment.end += bytes.length;
    this.#chain = chain;
    for (const written of group) this.#coverage.note(written, segment.highest);
    this.#bytesWritten?.add(bytes.length);
    if (writer.capacity > keptBufferBytes) this.#writer = new ByteWriter(64 * 1024);
  }

  /** The segment with room for a frame of this size, a new one where needed; a frame is never split. */
  *#segmentFor(frameBytes: number): Task<OpenSegment> {
    const current = this.#current;
    if (current !== null && (current.end === 0 || current.end + frameBytes <= this.#config.segmentBytes))
      return current;
    const next = yield* this.#makeSegment((current?.number ?? 0) + 1);
    if (current !== null) yield* wait<void>((done) => current.file.close(done));
    this.#current = next;
    return next;
  }

  *#makeSegment(number: number): Task<OpenSegment> {
    const path = `${this.#config.directory}/${segmentName(number)}`;
    const size = (yield* this.#spare.become(path)) ?? 0;
    const file = yield* wait<DiskFile>((done) => this.#disk.open(path, { create: true }, done));
    const segment = { number, path, highest: new Map() };
    this.#segments.push(segment);
    return { ...segment, file, end: 0, size };
  }

  /** Preallocates ahead of the frames: a sync that need not record a new length is a third cheaper. */
  *#grow(segment: OpenSegment, needed: number): Task<void> {
    if (needed <= segment.size) return;
    const { growthBytes, segmentBytes } = this.#config;
    const size = Math.max(needed, Math.min(segment.size + growthBytes, segmentBytes), segmentHeaderBytes);
    yield* wait<void>((done) => segment.file.allocate(size, done));
    segment.size = size;
  }

  #fail(error: ClusterError): void {
    this.#failure = asStorageError('The log cannot be written', error);
    const queue = this.#queue;
    this.#queue = [];
    for (const { done } of queue) done({ ok: false, error: this.#failure });
  }

  #finishClosing(): void {
    const done = this.#closing;
    const current = this.#current;
    this.#current = null;
    if (done === null) return;
    this.#spare.close(() => {
      if (current === null) done({ ok: true, value: undefined });
      else current.file.close(done);
    });
  }
}

/** Damage keeps its own code; the rest is the disk's. */
const asStorageError = (what: string, error: ClusterError): ClusterError =>
  error.code.startsWith('RAFT_') ? error : storageFailed(what, error);
