/**
 * The apply loop (thesis 3.5, 6.3): hands committed entries to the state machine in order, one batch at a time.
 *
 * Only entries that are on this node's own disk are applied, though a majority without it may have committed them: after a crash
 * the state machine must never be ahead of the log.
 */
import { assert } from '@cluster/core';
import { readOwner, Sessions, type SessionsCheckpoint } from './sessions.ts';
import type { Shared } from './state.ts';
import type { RaftEffect, RaftOut } from './inputs-and-effects.ts';
import type { AppliedEntry, Entry, SessionChange, SessionRecord, Verdict } from './types.ts';

/** How an entry of the batch will be answered; a number: by the result at that place, as nearly all are. */
type Planned =
  | number
  | { readonly type: 'empty' }
  | { readonly type: 'known'; readonly result: Uint8Array }
  | { readonly type: 'refused'; readonly status: 'sessionExpired' | 'sequenceTooOld' };

interface Batch {
  readonly lastIndex: number;
  readonly firstIndex: number;
  readonly plan: readonly Planned[];
  /** How many results it must bring. */
  readonly results: number;
  /** Fresh session commands whose results are to be kept: clientId, sequence, position. */
  readonly keep: readonly (readonly [number, number, number])[];
}

export interface ApplyingCheckpoint {
  readonly appliedIndex: number;
  readonly batch: Batch | null;
  readonly sessions: SessionsCheckpoint;
}

const nothing = new Uint8Array(0);
const empty = { type: 'empty' } as const;

export class Applying {
  readonly #shared: Shared;
  readonly #sessions: Sessions;
  #batch: Batch | null = null;
  /** Everything up to here is in the state machine. */
  appliedIndex = 0;

  constructor(shared: Shared) {
    this.#shared = shared;
    this.#sessions = new Sessions(shared.config);
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  sessionOwner(clientId: number): string | undefined {
    return this.#sessions.ownerOf(clientId);
  }

  load(appliedIndex: number, records: readonly SessionRecord[]): void {
    this.appliedIndex = appliedIndex;
    this.#sessions.load(records);
  }

  /**
   * Begins the next batch if there is one and none is under way. True when it was complete at once, because nothing in it concerns
   * the state machine; its verdicts are then due.
   */
  begin(out: RaftOut): boolean {
    const { commitIndex, durability, log, config, holdsApplying } = this.#shared;
    const limit = Math.min(commitIndex, durability.index);
    if (this.#batch !== null || holdsApplying || limit <= this.appliedIndex) return false;
    const effect = this.#plan(log.slice(this.appliedIndex + 1, limit, config.applyBytesMax));
    if (effect.entries.length === 0 && effect.sessions.length === 0) return true;
    out.emit(effect);
    return false;
  }

  /** The open sessions as of the last batch; none is under way. */
  sessionRecords(): readonly SessionRecord[] {
    return this.#sessions.records();
  }

  /** True while a batch is with the state machine. */
  get isBusy(): boolean {
    return this.#batch !== null;
  }

  /** The results of the batch have come; `settle` is told the verdict on each entry that somebody waits for. */
  complete(
    results: readonly Uint8Array[],
    isAwaited: (entry: Entry) => boolean,
    settle: (entry: Entry, verdict: Verdict) => void,
  ): void {
    const batch = this.#batch;
    assert(batch !== null, 'results belong to a batch under way');
    this.#batch = null;
    for (const [clientId, sequence, position] of batch.keep) {
      const judgement = this.#sessions.judge({ clientId, sequence });
      // The session or the result may have been dropped again within the batch.
      if (judgement.type === 'duplicate' && judgement.slot.position === position) {
        judgement.slot.result = results[position] ?? nothing;
        judgement.slot.position = -1;
      }
    }
    this.appliedIndex = batch.lastIndex;
    for (const [at, planned] of batch.plan.entries()) {
      const entry = this.#shared.log.entryAt(batch.firstIndex + at);
      assert(entry !== undefined, 'an applied entry is in the log');
      if (isAwaited(entry)) settle(entry, verdictOn(entry, planned, results));
    }
  }

  #plan(entries: readonly Entry[]): Extract<RaftEffect, { type: 'apply' }> {
    const applied: AppliedEntry[] = [];
    const sessions: SessionChange[] = [];
    const keep: [number, number, number][] = [];
    const plan = entries.map((entry): Planned => {
      const { index, term, command, session, kind } = entry;
      if (kind === 'openSession') {
        const owner = readOwner(command);
        sessions.push({ type: 'open', clientId: index, index, ...(owner === '' ? {} : { owner }) });
        const closed = this.#sessions.open(index, owner);
        if (closed !== null) sessions.push({ type: 'close', clientId: closed, index });
        return empty;
      }
      if (kind !== 'command') return empty;
      const position = applied.length;
      if (session !== null) {
        const judgement = this.#sessions.judge(session);
        if (judgement.type === 'expired') return { type: 'refused', status: 'sessionExpired' };
        if (judgement.type === 'tooOld') return { type: 'refused', status: 'sequenceTooOld' };
        if (judgement.type === 'duplicate') {
          const { result, position: first } = judgement.slot;
          return result === null ? first : { type: 'known', result };
        }
        this.#sessions.use(session, index, position);
        keep.push([session.clientId, session.sequence, position]);
      }
      applied.push({ index, term, command, session });
      return position;
    });
    const firstIndex = this.appliedIndex + 1;
    const lastIndex = this.appliedIndex + entries.length;
    this.#batch = { firstIndex, lastIndex, plan, results: applied.length, keep };
    return { type: 'apply', entries: applied, sessions, lastIndex };
  }

  /** How many results the batch under way must bring. */
  get expectedResults(): number {
    return this.#batch?.results ?? 0;
  }

  checkpoint(): ApplyingCheckpoint {
    return { appliedIndex: this.appliedIndex, batch: this.#batch, sessions: this.#sessions.checkpoint() };
  }

  restore({ appliedIndex, batch, sessions }: ApplyingCheckpoint): void {
    this.appliedIndex = appliedIndex;
    this.#batch = batch;
    this.#sessions.restore(sessions);
  }
}

function verdictOn({ index, term }: Entry, planned: Planned, results: readonly Uint8Array[]): Verdict {
  if (typeof planned === 'number')
    return { status: 'applied', index, term, result: results[planned] ?? nothing };
  switch (planned.type) {
    case 'empty':
      return { status: 'applied', index, term, result: nothing };
    case 'known':
      return { status: 'applied', index, term, result: planned.result };
    case 'refused':
      return { status: planned.status };
  }
}
