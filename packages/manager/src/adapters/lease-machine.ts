/** The lease's ledger as the state machine of a log. Volatile: each start reads it from the latest snapshot and the log behind it. */
import { type Done, runTask, type Task, wait } from '@cluster/core';
import type { LeaseReplica } from '@cluster/swim';
import { managerError } from '../errors.ts';
import type { ByteSource, StateMachine } from '../ports.ts';

/** @param onApplied told of the index up to which this process has applied the log, as soon as it has. */
export function leaseMachine(replica: LeaseReplica, onApplied: (index: number) => void): StateMachine {
  return {
    restore: (done) => done({ ok: true, value: { appliedIndex: 0, sessions: [] } }),
    apply: ({ entries, lastIndex }, done) => {
      const answers = entries.map(({ index, command }) => replica.apply(index, command));
      onApplied(lastIndex);
      done({ ok: true, value: answers });
    },
    images: {
      take: (done) => done({ ok: true, value: sourceOf(replica.image()) }),
      install: ({ index }, image, done) =>
        runTask(install(replica, image), (outcome) => {
          image.close();
          if (outcome.ok) onApplied(index);
          done(outcome);
        }),
    },
  };
}

function* install(replica: LeaseReplica, image: ByteSource): Task<void> {
  const pieces: number[] = [];
  for (;;) {
    const piece = yield* wait<Uint8Array | null>((done) => image.next(done));
    if (piece === null) break;
    pieces.push(...piece);
  }
  // Its checksum was right, so another version wrote it, or this one has a bug.
  if (!replica.install(Uint8Array.from(pieces)))
    throw managerError('MANAGER_INTERNAL', 'The image of the lease cannot be read.');
}

function sourceOf(bytes: Uint8Array): ByteSource {
  let rest: Uint8Array | null = bytes;
  return {
    next: (done: Done<Uint8Array | null>) => {
      const value = rest;
      rest = null;
      done({ ok: true, value });
    },
    close: () => undefined,
  };
}
