/**
 * Raft's wire and engine. Its peers are certified nodes of the cluster, so what is well formed from one of them counts; what a server
 * takes from any of them, because its log may not know all members yet (thesis 4.1), goes to a group of its own, which must live on.
 * Everything else (bytes that are no message, the rest from a node that is no voter) must change nothing.
 */
import {
  decodeMessage,
  encodeMessage,
  MemoryLogStorage,
  RaftReplica,
  type StateMachine,
} from '@cluster/raft';
import { VirtualClock } from '@cluster/sim';
import { hostile } from '../hostile.ts';
import { demand, type FuzzTarget } from '../target.ts';

const voters = ['a', 'b', 'c'];
const takenFromAnybody = new Set([
  'voteRequest',
  'append',
  'commit',
  'confirm',
  'snapshotPiece',
  'timeoutNow',
]);
type Receive = (from: string, bytes: Uint8Array) => void;

const machine = (): StateMachine => ({
  restore: (done) => done({ ok: true, value: { appliedIndex: 0, sessions: [] } }),
  apply: ({ entries }, done) => done({ ok: true, value: entries.map(({ command }) => command) }),
});

class Group {
  readonly clock = new VirtualClock();
  readonly receivers = new Map<string, Receive>();
  readonly replicas: readonly RaftReplica[];
  readonly said: Uint8Array[] = [];
  bug: string | null = null;

  constructor(seed: number) {
    this.replicas = voters.map((nodeId, i) => {
      const channel = {
        send: (to: string, bytes: Uint8Array): void => {
          if (this.said.length < 2000) this.said.push(bytes);
          this.clock.setTimer(1, () => this.receivers.get(to)?.(nodeId, bytes));
        },
        onMessage: (receive: Receive): void => void this.receivers.set(nodeId, receive),
      };
      const replica = new RaftReplica(
        { nodeId, voters },
        {
          clock: this.clock,
          channel,
          storage: new MemoryLogStorage(),
          stateMachine: machine(),
          seed: seed + i,
          logger: { log: (level, message) => void (level === 'error' && (this.bug = message)) },
        },
      );
      replica.start(() => undefined);
      return replica;
    });
    this.clock.advance(2000);
    for (const replica of this.replicas) {
      replica.openSession(() => undefined, { owner: 'client/app' });
      replica.propose(Uint8Array.of(1, 2, 3), {}, () => undefined);
      replica.propose(new Uint8Array(500), { session: { clientId: 2, sequence: 1 } }, () => undefined);
      replica.barrier(() => undefined);
      this.clock.advance(200);
    }
  }
}

export const raftTarget: FuzzTarget = {
  name: 'raft',
  make: (seed) => {
    const group = new Group(seed);
    const open = new Group(seed);
    const [victim] = group.replicas;
    const receive = group.receivers.get('a');
    const receiveOpenly = open.receivers.get('a');
    demand(
      victim !== undefined && receive !== undefined && receiveOpenly !== undefined,
      'the groups have started',
    );
    demand(group.said.length > 50, 'there are samples');
    const state = (): string => JSON.stringify(victim.status());
    // Time stands still from here on, so that whatever changes does so by the bytes.
    const before = state();
    return {
      feed: (prng) => {
        const bytes = hostile(prng, group.said);
        const decoded = decodeMessage(bytes, victim.config.messageBytesMax);
        const isMessage = !('problem' in decoded);
        if (isMessage) {
          const again = encodeMessage(decoded);
          demand(Buffer.compare(again, bytes) === 0, 'a message has one form only');
        }
        if (isMessage && takenFromAnybody.has(decoded.message.type)) {
          receiveOpenly('d', bytes);
          open.clock.advance(1);
          demand(open.bug === null, `the replica failed: ${open.bug}`);
          return 'taken';
        }
        const from = isMessage ? prng.pick(['d', '', 'client/app']) : prng.pick(['b', 'c', 'd']);
        receive(from ?? 'd', bytes);
        demand(group.bug === null, `the replica failed: ${group.bug}`);
        demand(state() === before, 'bytes that are no message, or a stranger’s, change nothing');
        return isMessage ? 'taken' : 'rejected';
      },
    };
  },
};
