/** What the demo's processes tell each other over their private channel (never over the cluster's network). */
import type { Address } from '@cluster/core';

export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** A node's whole configuration, written as JSON into the run's folder. */
export interface NodeConfig {
  readonly nodeId: string;
  readonly clusterName: string;
  readonly bind: Address;
  readonly seeds: readonly string[];
  readonly voters: readonly string[];
  readonly tls: TlsFiles;
  readonly gossipKeys: readonly string[];
  readonly dataDir: string;
  readonly rack: string;
  readonly sqlWorker: string;
}

export interface ClientConfig {
  readonly clusterName: string;
  readonly tls: TlsFiles;
  readonly nodes: readonly { readonly nodeId: string; readonly address: Address }[];
  readonly writesPerSecond: number;
  readonly readsPerSecond: number;
}

export interface NodeStatus {
  readonly nodeId: string;
  readonly role: string;
  readonly term: number;
  readonly leaderId: string | null;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  /** Queries this node has executed or led since it started. */
  readonly queriesServed: number;
  /** The state of every member as this node sees it. */
  readonly members: Readonly<Record<string, string>>;
}

/** `atMs` is the machine's wall clock with sub-millisecond digits: all processes share it. */
export type FromNode =
  | { readonly kind: 'ready'; readonly gossip: Address; readonly transport: Address }
  | { readonly kind: 'joined' }
  | { readonly kind: 'status'; readonly status: NodeStatus }
  | {
      readonly kind: 'event';
      readonly atMs: number;
      readonly event: string;
      readonly subject: string;
      readonly text: string;
    }
  | { readonly kind: 'failed'; readonly line: string };

export interface ToNode {
  readonly kind: 'stop';
}

/** A write the cluster has acknowledged. */
export interface AcknowledgedWrite {
  readonly id: number;
  readonly startedMs: number;
  readonly acknowledgedMs: number;
}

export type FromClient =
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'progress';
      readonly writes: readonly AcknowledgedWrite[];
      readonly reads: number;
      readonly failed: number;
      readonly lastError: string | null;
    }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly line: string };

export type ToClient = { readonly kind: 'start' } | { readonly kind: 'stop' };

export const wallNowMs = (): number => performance.timeOrigin + performance.now();
