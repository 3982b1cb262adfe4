/** Our own questions to the pool and their answers. */
import { type ActionOf, MachineTable, type Sink, Stepper, type TableCheckpoint } from '@cluster/core';
import type { SerfEffect } from './effects.ts';
import type { ResponseMessage } from './messages.ts';
import { queryMachine } from './query.machine.ts';

type Out = Sink<SerfEffect>;

interface Row {
  readonly query: string;
  readonly lTime: number;
  readonly id: number;
  readonly acked: Set<string>;
  readonly answered: Set<string>;
}

export interface QueriesCheckpoint {
  readonly rows: readonly {
    readonly query: string;
    readonly lTime: number;
    readonly id: number;
    readonly acked: readonly string[];
    readonly answered: readonly string[];
  }[];
  readonly states: TableCheckpoint;
}

const stepper = new Stepper(queryMachine);

export class Queries {
  readonly #rows = new Map<string, Row>();
  readonly #states: MachineTable<typeof queryMachine, SerfEffect>;
  #answer: ResponseMessage | null = null;

  constructor() {
    this.#states = new MachineTable('query', stepper, (query, action, _nowMs, out) =>
      this.#perform(query, action, out),
    );
  }

  get size(): number {
    return this.#rows.size;
  }

  ask(query: string, lTime: number, id: number, timeoutMs: number, nowMs: number, out: Out): void {
    this.#rows.set(query, { query, lTime, id, acked: new Set(), answered: new Set() });
    this.#states.add(query, nowMs, out);
    this.#states.send(query, { type: 'ASKED', timeoutMs }, nowMs, out);
  }

  /** @returns false for an answer to nothing that is still open. */
  hear(answer: ResponseMessage, nowMs: number, out: Out): boolean {
    for (const row of this.#rows.values()) {
      if (row.lTime !== answer.lTime || row.id !== answer.id) continue;
      const heard = answer.ack ? row.acked : row.answered;
      const isNew = !heard.has(answer.from);
      heard.add(answer.from);
      this.#answer = answer;
      this.#states.send(row.query, { type: 'ANSWERED', isNew }, nowMs, out);
      return true;
    }
    return false;
  }

  cancel(query: string, nowMs: number, out: Out): void {
    if (this.#rows.has(query)) this.#states.send(query, { type: 'CANCELLED' }, nowMs, out);
  }

  fire(timer: string, nowMs: number, out: Out): boolean {
    return this.#states.fire(timer, nowMs, out);
  }

  checkpoint(): QueriesCheckpoint {
    const rows = Array.from(this.#rows.values(), (row) => ({
      ...row,
      acked: [...row.acked],
      answered: [...row.answered],
    }));
    return { rows, states: this.#states.checkpoint() };
  }

  restore({ rows, states }: QueriesCheckpoint): void {
    this.#rows.clear();
    for (const row of rows)
      this.#rows.set(row.query, { ...row, acked: new Set(row.acked), answered: new Set(row.answered) });
    this.#states.restore(states);
  }

  #perform(query: string, action: ActionOf<typeof queryMachine>, out: Out): void {
    switch (action.type) {
      case 'deliverAnswer': {
        if (this.#answer === null) return;
        const { from, ack, payload } = this.#answer;
        return out.emit({ type: 'deliverAnswer', query, from, ack, payload });
      }
      case 'finish':
        this.#rows.delete(query);
        this.#states.remove(query, out);
        return out.emit({ type: 'queryFinished', query });
    }
  }
}
