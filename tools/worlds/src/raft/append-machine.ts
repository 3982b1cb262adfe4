/**
 * The replicated state machine of the world: a list of operations, in the order they were applied.
 *
 * Volatile, it begins empty at every start and is given the log again. Durable, it stands for a database that commits the
 * operations, the sessions and the applied index in one transaction: a crash loses a batch that was not finished, and no more.
 */
import type { Clock, Done, Prng } from '@cluster/core';
import type { AppliedEntry, SessionChange, SessionRecord, StateMachine } from '@cluster/raft';
import { decodeNumber } from './commands.ts';
import { type History, resultOf } from './history.ts';

/** What a transaction has made durable. */
export interface AppendState {
  appliedIndex: number;
  readonly operations: number[];
  readonly sessions: Map<number, { lastIndex: number; readonly results: Map<number, Uint8Array> }>;
}

export const emptyState = (): AppendState => ({ appliedIndex: 0, operations: [], sessions: new Map() });

type Batch = Parameters<StateMachine['apply']>[0];

export class AppendMachine implements StateMachine {
  readonly #node: string;
  readonly #clock: Clock;
  readonly #prng: Prng;
  readonly #state: AppendState;
  readonly #history: History;

  /** @param state kept by the caller over restarts, or empty. */
  constructor(node: string, clock: Clock, prng: Prng, state: AppendState, history: History) {
    this.#node = node;
    this.#clock = clock;
    this.#prng = prng;
    this.#state = state;
    this.#history = history;
  }

  restore(done: Done<{ appliedIndex: number; sessions: readonly SessionRecord[] }>): void {
    const { appliedIndex, sessions } = this.#state;
    const records = [...sessions].map(([clientId, { lastIndex, results }]) => ({
      clientId,
      lastIndex,
      results: [...results].map(([sequence, result]) => ({ sequence, result })),
    }));
    this.#clock.setTimer(this.#prng.float(), () =>
      done({ ok: true, value: { appliedIndex, sessions: records } }),
    );
  }

  apply(batch: Batch, done: Done<readonly Uint8Array[]>): void {
    this.#clock.setTimer(this.#prng.exponential(0.2), () => done({ ok: true, value: this.#commit(batch) }));
  }

  #commit({ entries, sessions, lastIndex }: Batch): readonly Uint8Array[] {
    const state = this.#state;
    const changes = [...sessions];
    const results = entries.map((entry) => {
      this.#changeSessions(changes, entry.index);
      return this.#applyOne(entry);
    });
    this.#changeSessions(changes, lastIndex);
    state.appliedIndex = lastIndex;
    return results;
  }

  /** Opens and closes what the log opens and closes up to an index. */
  #changeSessions(changes: SessionChange[], index: number): void {
    for (let next = changes[0]; next !== undefined && next.index <= index; next = changes[0]) {
      const { type, clientId } = next;
      if (type === 'open') this.#state.sessions.set(clientId, { lastIndex: next.index, results: new Map() });
      else this.#state.sessions.delete(clientId);
      changes.shift();
    }
  }

  #applyOne({ index, term, command, session }: AppliedEntry): Uint8Array {
    const { operations, sessions } = this.#state;
    const result = resultOf(operations.length);
    operations.push(decodeNumber(command));
    this.#history.applied(this.#node, index, term, command, result);
    const kept = session === null ? undefined : sessions.get(session.clientId);
    if (session !== null && kept !== undefined) {
      kept.lastIndex = index;
      kept.results.set(session.sequence, result);
    }
    return result;
  }
}
