/**
 * A snapshot that comes from another node, or from a disk that has changed it: a receiver takes its pieces, and looks when they are all
 * there. Checksums keep accidents out and no forger, so here they are mostly right, and the decoder gets to see what is behind them.
 */
import { type Disk, type DiskFile, memoryDisk, type Outcome, type Prng } from '@cluster/core';
import { crc32c, SnapshotFiles, type SnapshotMeta, type StoredSnapshot } from '@cluster/raft';
import { hostile } from '../hostile.ts';
import { demand, type FuzzTarget } from '../target.ts';

// magic 8 · version u32 · length of meta u32 · meta · crc u32 · image · crc u32 · end u32
const lengthAt = 12;
const metaAt = 16;
const indexAt = metaAt + 4;
const termAt = metaAt + 12;
const crcBytes = 4;
const trailerBytes = 8;
const endMark = 0x444e_4553;
const groupId = 3;
const metaBytesMax = 4096;
/** A reader takes an image in pieces of this size. */
const readBytesMax = 256 * 1024;

const metas = [0, 1, 3].map((count): SnapshotMeta => {
  const voters = ['a', 'b', 'c'];
  const sessions = Array.from({ length: count }, (_, i) => ({
    clientId: 10 + i,
    lastIndex: 20 + i,
    owner: i === 0 ? '' : 'client/app',
    results: Array.from({ length: i }, (_result, sequence) => ({
      sequence: sequence + 1,
      result: new Uint8Array(i * 5),
    })),
  }));
  const configuration = {
    voters,
    outgoing: [],
    learners: ['d'],
    learnersNext: [],
    staging: ['d'],
    autoLeave: false,
  };
  return { index: 30 + count, term: 4, configuration, sessions };
});

/** Notes when a disk is asked for more than a file has and a piece besides, which a real one would make room for. */
function watched(disk: Disk, note: (problem: string) => void): Disk {
  const watch = (file: DiskFile): DiskFile => ({
    path: file.path,
    size: (done) => file.size(done),
    read: (offset, length, done) => {
      if (offset < 0 || length < 0) note(`${length} bytes are read at ${offset}`);
      file.size((size) => {
        const bytesMax = size.ok ? Math.max(size.value, readBytesMax) : 0;
        if (length > bytesMax) note(`${length} bytes are read of a file that has fewer`);
      });
      file.read(offset, length, done);
    },
    write: (offset, bytes, done) => file.write(offset, bytes, done),
    sync: (done) => file.sync(done),
    allocate: (length, done) => file.allocate(length, done),
    truncate: (length, done) => file.truncate(length, done),
    close: (done) => file.close(done),
  });
  return {
    ...disk,
    open: (path, options, done) =>
      disk.open(path, options, (outcome) =>
        done(outcome.ok ? { ok: true, value: watch(outcome.value) } : outcome),
      ),
  };
}

/** What a call on a disk in memory has come to: it is over when it returns. */
function outcomeOf<T>(call: (done: (outcome: Outcome<T>) => void) => void): Outcome<T> {
  let outcome: Outcome<T> | undefined;
  call((came) => (outcome = came));
  demand(outcome !== undefined, 'every call is answered');
  return outcome;
}

function filesOn(disk: Disk): { files: SnapshotFiles; recovered: Outcome<StoredSnapshot | null> } {
  const files = new SnapshotFiles({ disk });
  return { files, recovered: outcomeOf((done) => files.recover(groupId, done)) };
}

/** A snapshot as it is on the disk and on the wire. */
function encoded(meta: SnapshotMeta, image: Uint8Array): Uint8Array {
  const { files } = filesOn(memoryDisk());
  const pieces = [image];
  const source = {
    next: (done: (outcome: Outcome<Uint8Array | null>) => void) =>
      done({ ok: true, value: pieces.pop() ?? null }),
    close: () => undefined,
  };
  const saved = outcomeOf<StoredSnapshot>((done) => files.save(groupId, meta, source, done));
  demand(saved.ok, 'a sample is saved');
  const { id } = saved.value;
  const read = outcomeOf<Uint8Array>((done) => files.read(groupId, id, 0, id.bytes, done));
  demand(read.ok, 'a sample is read');
  return read.value;
}

/** Makes the checksums right, for a head of a length that is right or nearly so. */
function sign(prng: Prng, bytes: Uint8Array, imageBytes: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const room = bytes.length - metaAt - crcBytes - trailerBytes;
  if (room < 0) return;
  if (prng.chance(0.7)) view.setUint32(lengthAt, Math.max(0, room - imageBytes), true);
  const headEnd = metaAt + view.getUint32(lengthAt, true);
  if (headEnd + crcBytes + trailerBytes > bytes.length) return;
  view.setUint32(headEnd, crc32c(bytes.subarray(0, headEnd)), true);
  const end = bytes.length - trailerBytes;
  view.setUint32(end, crc32c(bytes.subarray(0, end)), true);
  view.setUint32(end + 4, endMark, true);
}

/** As whoever sends it would name it. */
function named(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const u32 = (at: number): number => (at + 4 <= bytes.length ? view.getUint32(at, true) : 0);
  const u64 = (at: number): number => u32(at + 4) * 0x1_0000_0000 + u32(at);
  const crc = bytes.length < trailerBytes ? 0 : u32(bytes.length - trailerBytes);
  return { index: u64(indexAt), term: u64(termAt), bytes: bytes.length, crc };
}

export const raftSnapshotsTarget: FuzzTarget = {
  name: 'raft-snapshots',
  mustReach: ['accepted', 'refused'],
  make: () => {
    const image = new Uint8Array(40).fill(7);
    const samples = metas.map((meta) => encoded(meta, image));
    const reached = { accepted: 0, refused: 0 };
    return {
      reached: () => reached,
      feed: (prng) => {
        const bytes = hostile(prng, samples, metaBytesMax).slice();
        if (prng.chance(0.8)) sign(prng, bytes, image.length);
        const id = named(bytes);
        let problem: string | null = null;
        const disk = watched(memoryDisk(), (noted) => (problem = noted));
        const { files } = filesOn(disk);
        outcomeOf<void>((done) => files.receive(groupId, id, 0, bytes, done));
        const accepted = outcomeOf<StoredSnapshot>((done) => files.accept(groupId, id, done));
        demand(problem === null, String(problem));
        if (!accepted.ok) {
          demand(
            accepted.error.code === 'RAFT_SNAPSHOT_DAMAGED',
            `it is refused as damaged, and not as ${accepted.error.code}`,
          );
          reached.refused++;
          return 'rejected';
        }
        reached.accepted++;
        const { recovered } = filesOn(disk);
        demand(recovered.ok && recovered.value !== null, 'what was accepted is there after a restart');
        const again = encoded(recovered.value.meta, image);
        const meta = JSON.stringify(accepted.value.meta);
        demand(JSON.stringify(recovered.value.meta) === meta, 'and it is of the same');
        demand(again.length <= bytes.length + metaBytesMax, 'what is read of it is no more than was in it');
        return 'taken';
      },
    };
  },
};
