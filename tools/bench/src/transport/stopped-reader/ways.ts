/** The three ways in which a node offers bytes to a reader, and what both sides count of each. */
import { startTransport } from '@cluster/transport/node';
import type { Address } from '@cluster/core';
import type { Transport } from '@cluster/transport';
import { type Place, serverId } from '../contender.ts';

/** 64 and up are free for applications; streams are numbered apart. */
export const types = { post: 64, call: 65, stream: 64, probe: 66 } as const;

export const ways = ['posts', 'calls', 'stream'] as const;
export type Way = (typeof ways)[number];

/** Bytes of one message or one write. */
export const blockBytes: Readonly<Record<Way, number>> = { posts: 16_384, calls: 65_536, stream: 65_536 };

export interface Taken {
  readonly bytes: Readonly<Record<Way, number>>;
  /** Messages that came when another was due. */
  readonly outOfOrder: number;
}

/** @param server where the reader is; null: this is the reader. */
export const start = ({ nodeId, clusterName, tls }: Place, server: Address | null): Promise<Transport> =>
  startTransport(
    { nodeId, clusterName, tls, bind: server === null ? { host: '127.0.0.1', port: 0 } : null },
    { directory: { lookup: (id) => (id === serverId && server !== null ? server : undefined) } },
  );
