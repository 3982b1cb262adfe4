/**
 * The replicated state machine of the world: a list of operations, in the order they were applied, and a few registers that they write.
 *
 * Volatile, it begins empty at every start and is given the log again. Durable, it stands for a database that commits the
 * operations, the sessions and the applied index in one transaction: a crash loses a batch that was not finished, and no more.
 */
import type { Clock, Done, Prng } from '@cluster/core';
import type {
  AppliedEntry,
  ByteSource,
  SessionChange,
  SessionRecord,
  SnapshotMeta,
  StateImages,
  StateMachine,
} from '@cluster/raft';
import { runTask, type Task, wait } from '@cluster/core';
import { decodeNumber, encodeResult, type RegisterValue, writeRegister } from './commands.ts';
import type { History } from './history.ts';

/** What a transaction has made durable. */
export interface AppendState {
  appliedIndex: number;
  readonly operations: number[];
  readonly registers: Map<number, RegisterValue>;
  readonly sessions: Map<number, { lastIndex: number; readonly results: Map<number, Uint8Array> }>;
}

export const emptyState = (): AppendState => ({
  appliedIndex: 0,
  operations: [],
  registers: new Map(),
  sessions: new Map(),
});

/** What an image holds: the operations, and the registers. */
type Image = readonly [readonly number[], readonly (readonly [number, RegisterValue])[]];

const pieceBytes = 700;

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

  /** An image is the state, in pieces; the sessions come with it, because they belong to the log. */
  readonly images: StateImages = {
    take: (done) => {
      const { operations, registers } = this.#state;
      const image: Image = [operations, [...registers]];
      const bytes = new TextEncoder().encode(JSON.stringify(image));
      this.#clock.setTimer(this.#prng.exponential(1), () => done({ ok: true, value: this.#pieces(bytes) }));
    },
    install: (meta, image, done) => runTask(this.#install(meta, image), done),
  };

  #pieces(bytes: Uint8Array): ByteSource {
    let at = 0;
    return {
      next: (done) =>
        void this.#clock.setTimer(this.#prng.exponential(0.5), () => {
          const piece = bytes.subarray(at, at + pieceBytes);
          at += piece.length;
          done({ ok: true, value: piece.length === 0 ? null : piece });
        }),
      close: () => undefined,
    };
  }

  *#install({ index, sessions }: SnapshotMeta, image: ByteSource): Task<void> {
    let text = '';
    const decoder = new TextDecoder();
    for (;;) {
      const piece = yield* wait<Uint8Array | null>((done) => image.next(done));
      if (piece === null) break;
      text += decoder.decode(piece, { stream: true });
    }
    // One transaction, as long as it takes.
    yield* wait<void>((done) => {
      this.#clock.setTimer(this.#prng.exponential(5), () => done({ ok: true, value: undefined }));
    });
    const state = this.#state;
    state.appliedIndex = index;
    const [operations, registers] = JSON.parse(text) as Image;
    state.operations.splice(0, state.operations.length, ...operations);
    state.registers.clear();
    for (const [key, value] of registers) state.registers.set(key, value);
    state.sessions.clear();
    for (const { clientId, lastIndex, results } of sessions) {
      const kept = new Map(results.map(({ sequence, result }) => [sequence, result]));
      state.sessions.set(clientId, { lastIndex, results: kept });
    }
    this.#history.installed(this.#node, index, state);
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
    const { operations, registers, sessions } = this.#state;
    const result = encodeResult(operations.length, writeRegister(registers, command));
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
