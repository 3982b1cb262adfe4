/**
 * Raft's wire and engine. Its peers are certified voters, so what is well formed from one of them counts; everything else (bytes
 * that are no message, anything from a node that is no voter) must change nothing.
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
    const [victim] = group.replicas;
    const receive = group.receivers.get('a');
    demand(victim !== undefined && receive !== undefined, 'the group has started');
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
        const from = isMessage ? prng.pick(['d', '', 'client/app']) : prng.pick(['b', 'c', 'd']);
        receive(from ?? 'd', bytes);
        demand(group.bug === null, `the replica failed: ${group.bug}`);
        demand(state() === before, 'bytes that are no message, or a stranger’s, change nothing');
        return isMessage ? 'taken' : 'rejected';
      },
    };
  },
};
