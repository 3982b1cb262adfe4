/** The manager's codec: every kind, from peers that may send anything. */
import { ClusterError } from '@cluster/core';
import { type ClusterMessageInput, MessageCodec, type MessageKind } from '@cluster/manager';
import { hostile } from '../hostile.ts';
import { demand, type FuzzTarget } from '../target.ts';

const failure = {
  code: 'X',
  fault: 'caller',
  message: 'm',
  advice: 'a',
  retry: 'safe',
  stateChanged: false,
} as const;
const load = { queueDepth: 1, inFlight: 2, utilization: 0.5 };

const messages: readonly ClusterMessageInput[] = [
  {
    kind: 'Query',
    sql: 'SELECT ?',
    params: [1, 'a', null, true, 2n ** 60n, Uint8Array.of(1, 2)],
    session: { clientId: 5, sequence: 6 },
  },
  { kind: 'Query', sql: 'INSERT', key: 'k', minIndex: 7, actor: 'client/app' },
  {
    kind: 'QueryResult',
    nodeId: 'n1',
    columns: ['a', 'b'],
    rows: [
      [1, 'x'],
      [2.5, null],
    ],
    load,
  },
  { kind: 'QueryResult', nodeId: 'n1', failure },
  { kind: 'ReplicationLog', term: 3, fromIndex: 4, entries: [Uint8Array.of(1), new Uint8Array(300)] },
  { kind: 'HeartBeat', nodeId: 'n1', term: 1, commitIndex: 2, load },
  { kind: 'MetadataSync', nodeId: 'n1', version: 1, entries: { a: 'b', c: 'd' } },
  {
    kind: 'TransactionPrepare',
    transactionId: 't',
    coordinator: 'n1',
    statements: [{ sql: 's', params: [1] }],
    timeoutMs: 5,
  },
  { kind: 'TransactionCommit', transactionId: 't' },
  { kind: 'TransactionAbort', transactionId: 't', reason: 'r' },
  { kind: 'Custom', topic: 't', body: new Uint8Array(40) },
];
const kinds = [...new Set(messages.map(({ kind }) => kind))] as readonly MessageKind[];

const firstStructure = 0x40;

export const managerTarget: FuzzTarget = {
  name: 'manager',
  make: () => {
    const codec = new MessageCodec();
    const samples = messages.map((message) => codec.encode(message));
    return {
      feed: (prng) => {
        const bytes = hostile(prng, samples);
        // Mostly as the kind it says it is: its first byte names a structure, and the kinds are the first of them.
        const kind =
          (prng.chance(0.9) ? kinds[(bytes[0] ?? 0) - firstStructure] : undefined) ??
          prng.pick(kinds) ??
          'Custom';
        let message;
        try {
          message = codec.decode(kind, bytes);
        } catch (error) {
          if (ClusterError.is(error) && error.code === 'MANAGER_MESSAGE_REFUSED') return 'rejected';
          throw error;
        }
        demand(message.kind === kind, 'a message is of the kind it was sent as');
        // What was taken can be said again.
        codec.decode(kind, codec.encode(message));
        return 'taken';
      },
    };
  },
};
