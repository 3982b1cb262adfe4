/** Managers of their own that this version only has the types of: every call rejects with `NOT_AVAILABLE` and names itself. */
import { unavailable } from './errors.ts';
import type { QueryResult, SqlValue } from './sql.ts';
import type { CallOptions, NodeInfo } from './types.ts';

export interface SessionInfo {
  readonly sessionId: string;
  readonly ownerId: string;
  readonly epoch: number;
}

/** Client sessions and where they live. */
export interface SessionManager {
  /** @throws ClusterError `NOT_AVAILABLE` */
  list(options?: CallOptions): Promise<readonly SessionInfo[]>;
  /** @throws ClusterError `NOT_AVAILABLE` */
  get(sessionId: string, options?: CallOptions): Promise<SessionInfo | null>;
  /** Moves a session to another node. @throws ClusterError `NOT_AVAILABLE` */
  migrate(sessionId: string, toNodeId: string, options?: CallOptions): Promise<SessionInfo>;
}

export interface Transaction {
  readonly id: string;
  query(sql: string, params?: readonly SqlValue[]): Promise<QueryResult>;
  commit(options?: CallOptions): Promise<void>;
  abort(reason?: string): Promise<void>;
}

/** Distributed transactions by two-phase commit with presumed abort. */
export interface TransactionManager {
  /** @throws ClusterError `NOT_AVAILABLE` */
  begin(options?: CallOptions): Promise<Transaction>;
  /** Commits when `body` resolves, aborts when it rejects. @throws ClusterError `NOT_AVAILABLE` */
  run<T>(body: (transaction: Transaction) => Promise<T>, options?: CallOptions): Promise<T>;
  /** Ids of prepared transactions whose outcome this node does not know. @throws ClusterError `NOT_AVAILABLE` */
  inDoubt(): Promise<readonly string[]>;
}

export interface RollingRestartOptions extends CallOptions {
  /** Restarts the node; resolves when its process is back. */
  readonly restart: (node: NodeInfo) => Promise<void>;
  /** Milliseconds between two nodes. Default 0. */
  readonly delayMs?: number;
}

export const sessionManager: SessionManager = {
  list: () => Promise.reject(unavailable('sessions.list')),
  get: () => Promise.reject(unavailable('sessions.get')),
  migrate: () => Promise.reject(unavailable('sessions.migrate')),
};

export const transactionManager: TransactionManager = {
  begin: () => Promise.reject(unavailable('transactions.begin')),
  run: () => Promise.reject(unavailable('transactions.run')),
  inDoubt: () => Promise.reject(unavailable('transactions.inDoubt')),
};
