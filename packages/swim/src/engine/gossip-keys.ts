/** The gossip keys of a running member: changed by its owner or by the pool, and kept over a restart. */
import { type Done, fromBase64, toBase64 } from '@cluster/core';
import { keyRefused, keysNotStored } from '../errors.ts';
import type { Keys, KeyStore, SavedKeys } from '../ports.ts';
import { crc32 } from '../wire/crc32.ts';
import { LatestWriter } from './latest-writer.ts';

export type KeyChange = 'install' | 'use' | 'remove';

export class GossipKeys {
  readonly #keys: Keys | undefined;
  readonly #writer: LatestWriter<SavedKeys> | null;
  /** Tells the configured keys of one start from those of another, without being a copy of them. */
  readonly #configured: number;

  constructor(configured: readonly string[], keys: Keys | undefined, store: KeyStore | undefined) {
    this.#keys = keys;
    this.#writer = store ? new LatestWriter((saved, done) => store.store(saved, done)) : null;
    this.#configured = crc32(new TextEncoder().encode(configured.join()));
  }

  /** Those in force, in base64, the one that seals first; undefined where nothing is encrypted. */
  list(): readonly string[] | undefined {
    return this.#keys?.list().map(toBase64);
  }

  /** What was in force before the restart is so again, unless other keys have been configured since. */
  restore(saved: SavedKeys | null): void {
    const keys = this.#keys;
    if (saved === null || keys === undefined || saved.configured !== this.#configured) return;
    const [primary, ...others] = saved.keys.map(fromBase64);
    if (primary === undefined) return;
    keys.install(primary);
    keys.use(primary);
    for (const key of keys.list()) if (!saved.keys.includes(toBase64(key))) keys.remove(key);
    for (const key of others) keys.install(key);
  }

  /** In force when `done` is called, and durable where there is a store. */
  change(change: KeyChange, key: Uint8Array, done: Done<void>): void {
    const keys = this.#keys;
    const refusal = keys === undefined ? 'encryption is not enabled' : keys[change](key);
    if (refusal !== null || keys === undefined) return done({ ok: false, error: keyRefused(refusal ?? '') });
    if (this.#writer === null) return done({ ok: true, value: undefined });
    this.#writer.write({ configured: this.#configured, keys: this.list() ?? [] }, (outcome) =>
      done(outcome.ok ? outcome : { ok: false, error: keysNotStored(outcome.error) }),
    );
  }
}
