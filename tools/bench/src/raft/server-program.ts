/** One of our servers: a replica over the transport, with its log on the disk. */
import { startRaft } from '@cluster/raft/node';
import type { Raft, RaftChannel, RaftStatus } from '@cluster/raft';
import { startTransport } from '@cluster/transport/node';
import type { Transport } from '@cluster/transport';
import type { Address } from '@cluster/core';
import { serveParent } from '../process/remote.ts';
import type { Place } from '../transport/contender.ts';
import { KeyValues } from './key-value.ts';
import { requestTypes } from './request-types.ts';

export interface ListenOptions {
  readonly place: Place;
  readonly bind: Address;
}

export interface JoinOptions {
  readonly addresses: Readonly<Record<string, Address>>;
  readonly dataDir: string;
  /** What differs from the defaults. */
  readonly settings: Readonly<Record<string, number>>;
}

let addresses: Readonly<Record<string, Address>> = {};
let transport: Transport;
let raft: Raft;

const channel = (): RaftChannel => ({
  send: (to, bytes) => void transport.post(to, requestTypes.raft, bytes, { priority: 'High' }),
  onMessage: (receive) =>
    transport.handle(requestTypes.raft, (bytes, { from }) => receive(from, new Uint8Array(bytes)), {
      roles: ['node'],
    }),
  onPeerLost: (lost) =>
    void transport.onPeer(({ type, peer }) => {
      if (type === 'down') lost(peer);
    }),
});

serveParent({
  listen: async ({ place: { nodeId, clusterName, tls }, bind }: ListenOptions): Promise<Address> => {
    transport = await startTransport(
      { nodeId, clusterName, tls, bind },
      { directory: { lookup: (peer) => addresses[peer] } },
    );
    return transport.local;
  },
  join: async ({ addresses: all, dataDir, settings }: JoinOptions): Promise<void> => {
    addresses = all;
    const values = new KeyValues();
    const nodeId = process.argv[2] ?? '';
    raft = await startRaft(
      { nodeId, voters: Object.keys(all), dataDir, ...settings },
      { channel: channel(), stateMachine: values },
    );
    const put = async (bytes: Uint8Array): Promise<Uint8Array> =>
      // The transport only lends them.
      (await raft.propose(new Uint8Array(bytes))).result;
    const read = async (bytes: Uint8Array): Promise<Uint8Array> => {
      const key = Buffer.from(bytes).toString('latin1');
      await raft.read();
      return values.get(key);
    };
    transport.handle(requestTypes.put, put);
    transport.handle(requestTypes.read, read);
  },
  status: (): RaftStatus => raft.status(),
  memory: (): number => process.memoryUsage.rss(),
});
