/** What the nemesis and its processes say to each other over their pipes. The store itself is spoken to over the network only. */
import type { Address } from '@cluster/core';
import type { WalConfigInput } from '@cluster/raft';

export interface Credentials {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/**
 * Bugs that the verdict has to find, or it is worth nothing:
 * - `stale-reads`: reads ask nobody, and answer what was read a second ago.
 * - `no-session`: what a client repeats is a new command.
 * - `no-log`: a node that starts again has forgotten everything.
 */
export type PlantedBug = 'stale-reads' | 'no-session' | 'no-log';

export interface NodeConfig {
  readonly nodeId: string;
  readonly clusterName: string;
  readonly voters: readonly string[];
  readonly bind: Address;
  readonly dataDir: string;
  readonly wal: WalConfigInput;
  readonly leaseReads: boolean;
  readonly tls: Credentials;
  readonly bug: PlantedBug | null;
}

export interface NodeStatus {
  readonly role: string;
  readonly term: number;
  readonly leaderId: string | null;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  /** Reads that it has answered from its lease since it started. */
  readonly leaseReads: number;
}

/** Where nodes listen now: one that was started again may listen elsewhere. */
export type Addresses = Readonly<Record<string, Address>>;

export type ToNode =
  | { readonly kind: 'addresses'; readonly addresses: Addresses }
  | { readonly kind: 'digest' }
  | { readonly kind: 'stop' };

export type FromNode =
  | { readonly kind: 'ready'; readonly address: Address }
  | { readonly kind: 'status'; readonly status: NodeStatus }
  | {
      readonly kind: 'digest';
      readonly appliedIndex: number;
      readonly digest: string;
      /** What the transport says of its peers. */
      readonly channels: readonly unknown[];
    }
  | { readonly kind: 'failed'; readonly line: string };

export interface ClientConfig {
  readonly clusterName: string;
  readonly nodeIds: readonly string[];
  readonly tls: Credentials;
  /** The file to write the history to, one line per operation. */
  readonly history: string;
  /** The file for what the counters came to. */
  readonly counters: string;
  readonly seed: number;
  /** Clients that read and write, half of them within sessions. */
  readonly clients: number;
  /** Clients that count up, each within a session. */
  readonly countingClients: number;
  /** Whether half of the clients that read do so by the leader's lease. */
  readonly leaseReads: boolean;
}

export type ToClient =
  | { readonly kind: 'addresses'; readonly addresses: Addresses }
  | { readonly kind: 'start' }
  /** Finish what is under way, then read every key once more. */
  | { readonly kind: 'finish' };

export type FromClient =
  | { readonly kind: 'ready' }
  | { readonly kind: 'progress'; readonly acknowledgedWrites: number; readonly unknown: number }
  | { readonly kind: 'finished' }
  | { readonly kind: 'failed'; readonly line: string };
