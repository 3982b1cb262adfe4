/** A tiny replicated database for tests: `SET key value`, `ADD key amount`, `GET key`, `COUNT`. All in memory. */
import { ClusterError, type Done } from '@cluster/core';
import type {
  Database,
  QueryRows,
  SessionRecord,
  SqlValue,
  StateMachine,
  StatementResult,
} from '../src/index.ts';

const text = {
  encode: (value: string) => new TextEncoder().encode(value),
  decode: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
};

export class KvDatabase implements Database {
  readonly values = new Map<string, number>();
  /** Commands applied, in order. */
  readonly applied: string[] = [];

  classify(sql: string): { readonly readOnly: boolean } {
    const [verb = ''] = sql.split(' ');
    if (!['GET', 'COUNT', 'SET', 'ADD', 'SELECT'].includes(verb)) {
      throw new ClusterError({
        code: 'KV_SYNTAX',
        fault: 'caller',
        message: `${verb} is no command.`,
        advice: 'Use SET, ADD, GET or COUNT.',
      });
    }
    return { readOnly: verb === 'GET' || verb === 'COUNT' };
  }

  async read(sql: string, params: readonly SqlValue[]): Promise<QueryRows> {
    const [verb = '', key = String(params[0])] = sql.split(' ');
    if (verb === 'COUNT') return { columns: ['count'], rows: [[this.values.size]] };
    return { columns: ['value'], rows: [[this.values.get(key) ?? null]] };
  }

  encodeWrite(sql: string): Uint8Array {
    return text.encode(sql);
  }

  decodeResult(bytes: Uint8Array): StatementResult {
    return {
      columns: ['value'],
      rows: [[Number(text.decode(bytes))]],
      rowsAffected: 1,
      lastInsertRowid: null,
    };
  }

  readonly stateMachine: StateMachine = {
    restore: (done: Done<{ readonly appliedIndex: number; readonly sessions: readonly SessionRecord[] }>) =>
      done({ ok: true, value: { appliedIndex: 0, sessions: [] } }),
    apply: ({ entries }, done) =>
      done({ ok: true, value: entries.map(({ command }) => this.#apply(text.decode(command))) }),
  };

  #apply(command: string): Uint8Array {
    this.applied.push(command);
    const [verb = '', key = '', amount = '0'] = command.split(' ');
    const value = verb === 'ADD' ? (this.values.get(key) ?? 0) + Number(amount) : Number(amount);
    this.values.set(key, value);
    return text.encode(String(value));
  }
}
