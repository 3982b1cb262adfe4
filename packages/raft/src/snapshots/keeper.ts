/** Carries out what the core decides about snapshots, with the state machine and the place where they are kept. */
import { type ClusterError, runTask, type Task, wait } from '@cluster/core';
import type { RaftEffect, RaftInput } from '../core/inputs-and-effects.ts';
import type { SnapshotId, SnapshotMeta } from '../core/types.ts';
import * as errors from '../errors.ts';
import type { ByteSource, SnapshotStorage, StateImages, StoredSnapshot } from '../ports.ts';

export interface SnapshotKeeperOptions {
  readonly groupId: number;
  readonly images: StateImages;
  readonly storage: SnapshotStorage;
  /** Ignored once the replica has stopped. */
  readonly dispatch: (input: RaftInput) => void;
  /** The state machine could not take a snapshot over: the replica stops. */
  readonly fail: (error: ClusterError) => void;
}

export type SnapshotEffect = Extract<
  RaftEffect,
  {
    type:
      | 'takeSnapshot'
      | 'readSnapshot'
      | 'writePiece'
      | 'checkSnapshot'
      | 'installSnapshot'
      | 'keepSnapshots';
  }
>;

/** What a state machine holds. */
export interface Restored {
  readonly appliedIndex: number;
  readonly sessions: SnapshotMeta['sessions'];
}

export class SnapshotKeeper {
  readonly #options: SnapshotKeeperOptions;

  constructor(options: SnapshotKeeperOptions) {
    this.#options = options;
  }

  execute(effect: SnapshotEffect): void {
    const { groupId, storage, dispatch } = this.#options;
    switch (effect.type) {
      case 'takeSnapshot':
        return runTask(this.#take(effect.meta), (outcome) =>
          dispatch(
            outcome.ok
              ? { type: 'SNAPSHOT_SAVED', id: outcome.value.id }
              : { type: 'SNAPSHOT_FAILED', reason: outcome.error.message },
          ),
        );
      case 'readSnapshot': {
        const { to, id, offset, length } = effect;
        return storage.read(groupId, id, offset, length, (outcome) => {
          const bytes = outcome.ok && outcome.value.length === length ? outcome.value : null;
          dispatch({ type: 'SNAPSHOT_READ', to, id, offset, bytes });
        });
      }
      case 'writePiece': {
        const { id, offset, bytes } = effect;
        return storage.receive(groupId, id, offset, bytes, (outcome) =>
          dispatch(
            outcome.ok
              ? { type: 'PIECE_WRITTEN', id, end: offset + bytes.length }
              : { type: 'SNAPSHOT_FAILED', reason: outcome.error.message },
          ),
        );
      }
      case 'checkSnapshot': {
        const { id } = effect;
        return storage.accept(groupId, id, (outcome) => {
          if (outcome.ok) dispatch({ type: 'SNAPSHOT_CHECKED', id, meta: outcome.value.meta });
          else if (errors.isSnapshotDamaged(outcome.error))
            dispatch({ type: 'SNAPSHOT_CHECKED', id, meta: null });
          else dispatch({ type: 'SNAPSHOT_FAILED', reason: outcome.error.message });
        });
      }
      case 'installSnapshot':
        return runTask(this.#install(effect.id, effect.meta), (outcome) => {
          if (outcome.ok) dispatch({ type: 'SNAPSHOT_INSTALLED' });
          else this.#options.fail(outcome.error);
        });
      case 'keepSnapshots':
        // What cannot be removed now will be at the next start.
        return storage.keepOnly(groupId, effect.ids, () => undefined);
    }
  }

  /**
   * At a start: puts the latest snapshot into a state machine that holds less than it covers.
   *
   * @returns what the state machine holds then.
   */
  *restore(stored: StoredSnapshot | null, restored: Restored): Task<Restored> {
    if (stored === null || stored.meta.index <= restored.appliedIndex) return restored;
    const { id, meta } = stored;
    yield* this.#install(id, meta);
    return { appliedIndex: meta.index, sessions: meta.sessions };
  }

  *recover(): Task<StoredSnapshot | null> {
    const { groupId, storage } = this.#options;
    try {
      return yield* wait<StoredSnapshot | null>((done) => storage.recover(groupId, done));
    } catch (error) {
      throw errors.snapshotError(groupId, error);
    }
  }

  *#take(meta: SnapshotMeta): Task<StoredSnapshot> {
    const { groupId, images, storage, dispatch } = this.#options;
    const image = yield* wait<ByteSource>((done) => images.take(done));
    dispatch({ type: 'IMAGE_TAKEN' });
    return yield* wait<StoredSnapshot>((done) => storage.save(groupId, meta, image, done));
  }

  *#install(id: SnapshotId, meta: SnapshotMeta): Task<void> {
    const { groupId, images, storage } = this.#options;
    let image: ByteSource | undefined;
    try {
      const opened = (image = yield* wait<ByteSource>((done) => storage.open(groupId, id, done)));
      yield* wait<void>((done) => images.install(meta, opened, done));
    } catch (error) {
      throw errors.snapshotError(groupId, error);
    } finally {
      image?.close();
    }
  }
}
