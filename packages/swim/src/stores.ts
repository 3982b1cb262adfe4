/** What is kept over a restart, each in one small file of a disk: the incarnation, the members known, keys that were changed. */
import {
  ClusterError,
  type Disk,
  type Done,
  packPlain,
  runTask,
  type Task,
  unpackPlain,
} from '@cluster/core';
import * as z from 'zod';
import { fileDamaged, incarnationDamaged } from './errors.ts';
import type { SavedPeer } from './member.ts';
import type { IncarnationStore, KeyStore, PeerStore, SavedKeys } from './ports.ts';
import { readSmallFile, replaceSmallFile } from './small-file.ts';

const names = { incarnation: 'incarnation', peers: 'peers', keys: 'keys' } as const;
const incarnationBytes = 4;

/** @param folder made if it is not there. */
export function diskIncarnations(disk: Disk, folder: string): IncarnationStore {
  return {
    load: (done: Done<number>) => runTask(loadIncarnation(disk, `${folder}/${names.incarnation}`), done),
    store: (incarnation: number, done: Done<void>) => {
      const content = new Uint8Array(incarnationBytes);
      new DataView(content.buffer).setUint32(0, incarnation);
      runTask(replaceSmallFile(disk, folder, names.incarnation, content), done);
    },
  };
}

function* loadIncarnation(disk: Disk, path: string): Task<number> {
  const content = yield* readSmallFile(disk, path);
  if (content === null) return 0;
  if (content?.length !== incarnationBytes) throw incarnationDamaged(path);
  return new DataView(content.buffer, content.byteOffset).getUint32(0);
}

const addressSchema = z.object({ host: z.string(), port: z.int().min(1).max(65_535) });
const peersSchema: z.ZodType<readonly SavedPeer[]> = z.array(
  z.object({ name: z.string(), address: addressSchema, alive: z.boolean() }),
);
const keysSchema: z.ZodType<SavedKeys> = z.object({
  configured: z.number(),
  keys: z.array(z.string()).min(1),
});

/** @param folder made if it is not there. */
export function diskPeers(disk: Disk, folder: string): PeerStore {
  return {
    load: (done) => runTask(loadAs(disk, `${folder}/${names.peers}`, peersSchema, [] as const), done),
    store: (peers, done) => runTask(replaceSmallFile(disk, folder, names.peers, packPlain(peers)), done),
  };
}

/** @param folder made if it is not there. On Node the file can be read by its owner only. */
export function diskKeys(disk: Disk, folder: string): KeyStore {
  return {
    load: (done) => runTask(loadAs(disk, `${folder}/${names.keys}`, keysSchema, null), done),
    store: (keys, done) => runTask(replaceSmallFile(disk, folder, names.keys, packPlain(keys)), done),
  };
}

function* loadAs<T, N>(disk: Disk, path: string, schema: z.ZodType<T>, none: N): Task<T | N> {
  const content = yield* readSmallFile(disk, path);
  if (content === null) return none;
  if (content === undefined) throw fileDamaged(path);
  try {
    return schema.parse(unpackPlain(content));
  } catch (cause) {
    throw ClusterError.is(cause) ? cause : fileDamaged(path, cause);
  }
}
