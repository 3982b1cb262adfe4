/** Logs in memory, for tests and for groups whose loss with the process is acceptable. */
import type { Done } from '@cluster/core';
import type { Entry, HardState, LogBase } from './core/types.ts';
import { groupInUse } from './errors.ts';
import type { LogStorage, LogWrite, RecoveredLog } from './ports.ts';

interface Log {
  hardState: HardState;
  base: LogBase;
  entries: Entry[];
}

export class MemoryLogStorage implements LogStorage {
  readonly #logs: Map<number, Log>;
  readonly #recovered = new Set<number>();

  /** @param medium another storage whose logs are taken over, as after a restart. */
  constructor(medium?: MemoryLogStorage) {
    this.#logs = medium === undefined ? new Map() : medium.#logs;
  }

  recover(groupId: number, done: Done<RecoveredLog>): void {
    if (this.#recovered.has(groupId)) return done({ ok: false, error: groupInUse(groupId) });
    this.#recovered.add(groupId);
    const { hardState, base, entries } = this.#log(groupId);
    done({ ok: true, value: { hardState, base, entries: [...entries] } });
  }

  write(groupId: number, { hardState, base, truncateAfter, entries }: LogWrite, done: Done<void>): void {
    const log = this.#log(groupId);
    if (hardState !== null) log.hardState = hardState;
    if (base !== null) {
      log.entries = entriesBehind(base, log.base, log.entries);
      log.base = base;
    }
    if (truncateAfter !== null) log.entries.length = truncateAfter - log.base.index;
    for (const entry of entries) log.entries.push(entry);
    done({ ok: true, value: undefined });
  }

  #log(groupId: number): Log {
    let log = this.#logs.get(groupId);
    if (log === undefined) {
      log = { hardState: { term: 0, vote: null }, base: { index: 0, term: 0 }, entries: [] };
      this.#logs.set(groupId, log);
    }
    return log;
  }
}

/** What is left of a log when a snapshot covers it up to `base`: nothing, unless it goes through there. */
export function entriesBehind(base: LogBase, before: LogBase, entries: Entry[]): Entry[] {
  const at = base.index - before.index;
  const term = at === 0 ? before.term : entries[at - 1]?.term;
  return term === base.term ? entries.slice(at) : [];
}
