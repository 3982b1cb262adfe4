/** What a statement takes and gives back. */

/** A boolean parameter is for databases that have them; SQLite kinds store 0 or 1. */
export type SqlValue = null | number | bigint | string | boolean | Uint8Array;

export interface QueryRows {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly SqlValue[])[];
}

export interface StatementResult extends QueryRows {
  /** Rows changed by a write; 0 for a read. */
  readonly rowsAffected: number;
  readonly lastInsertRowid: number | bigint | null;
}

/** What `query` resolves to. */
export interface QueryResult extends StatementResult {
  /** The node that executed the read, or that took the write into the log. */
  readonly nodeId: string;
  /** Log index of the write, or the index applied when a linearizable read was served; null for a stale read. */
  readonly index: number | null;
}
