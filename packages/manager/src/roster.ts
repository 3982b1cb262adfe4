/**
 * Who counts, changed by agreement while the cluster runs: the members of the replicated log, and its voters among them.
 *
 * A leader alone can begin a change, one at a time. Any member takes the call and passes it on to the leader it knows. To ask for what
 * is so already changes nothing, so whatever fails on the way is simply asked for again, until the time is up. A node that is added
 * gets the log as a learner first, counted nowhere, and has a vote once it has nearly caught up (Raft thesis 4.2.1).
 */
import type { Clock, ClusterError } from '@cluster/core';
import type { LogComponent, LogStatus, RosterCall, RosterChange, RosterComponent } from './components.ts';
import type { Deadline } from './deadline.ts';
import { asClusterError, managerError } from './errors.ts';

const pauseMs = 20;

export interface RosterOptions {
  readonly nodeId: string;
  readonly clock: Clock;
  readonly log: LogComponent;
  readonly attemptTimeoutMs: number;
  /** Resolves when the node has been reached, and has shown by its certificate who it is. */
  readonly meet: (nodeId: string, deadline: Deadline) => Promise<unknown>;
  /** Hands a change to the leader; rejects with what that says against it. */
  readonly forward: (to: string, change: RosterChange, call: RosterCall) => Promise<void>;
}

/** Nothing was begun by these. */
const harmless: ReadonlySet<string> = new Set([
  'MANAGER_NO_LEADER',
  'MANAGER_NOT_VOTER',
  'RAFT_NOT_LEADER',
  'RAFT_CHANGE_NOT_READY',
]);

const isAgreed = ({ membersIndex, commitIndex }: LogStatus): boolean => membersIndex <= commitIndex;

export class RosterChanges implements RosterComponent {
  readonly #options: RosterOptions;

  constructor(options: RosterOptions) {
    this.#options = options;
  }

  /** Resolves once it is agreed on that the node is a voter, or with `voter` false a learner. */
  async add(nodeId: string, voter: boolean, deadline: Deadline): Promise<void> {
    const { log, meet, nodeId: self } = this.#options;
    if (nodeId !== self) await meet(nodeId, deadline);
    await this.change({ nodeId, becomes: voter ? 'staged' : 'learner', epoch: null }, deadline);
    if (!voter) return;
    for (let wasThere = false; ;) {
      const status = log.status();
      if (isAgreed(status) && status.voters.includes(nodeId)) return;
      const isThere = status.learners.includes(nodeId);
      if (wasThere && !isThere && isAgreed(status))
        throw managerError('MANAGER_CHANGE_UNFINISHED', `${nodeId} was taken off again meanwhile.`);
      wasThere = isThere;
      await deadline.sleep(pauseMs);
      deadline.check('MANAGER_CHANGE_UNFINISHED');
    }
  }

  /** Resolves once it is agreed on that the node is no member. */
  remove(nodeId: string, deadline: Deadline): Promise<void> {
    return this.change({ nodeId, becomes: 'removed', epoch: null }, deadline);
  }

  /** Asks the leader, wherever it is, until it has agreed on it. */
  async change(change: RosterChange, deadline: Deadline): Promise<void> {
    let last: ClusterError | undefined;
    let mayBeUnderWay = false;
    for (;;) {
      deadline.check('MANAGER_CHANGE_UNFINISHED', last);
      try {
        return await this.#ask(change, deadline);
      } catch (error) {
        last = asClusterError(error);
        const isOwn = last.code === 'RAFT_CHANGE_UNDER_WAY' && mayBeUnderWay;
        if (!isOwn && isFinal(last)) throw last;
        if (!harmless.has(last.code)) mayBeUnderWay = true;
        await deadline.sleep(pauseMs);
      }
    }
  }

  /** Begins it, if this node leads. @throws ClusterError of the log, or `MANAGER_ROSTER_CHANGED`. */
  async serve({ nodeId, becomes, epoch }: RosterChange, { timeoutMs, signal }: RosterCall): Promise<void> {
    const { log } = this.#options;
    const status = log.status();
    const { voters, membersIndex, role } = status;
    if (epoch !== null && (epoch !== membersIndex || !isAgreed(status)))
      throw managerError('MANAGER_ROSTER_CHANGED', `The roster is that of ${membersIndex}, not ${epoch}.`);
    // It would lose its vote for as long as it takes to get it again.
    if (role === 'leader' && becomes === 'staged' && voters.includes(nodeId)) return;
    await log.changeMembers([{ nodeId, becomes }], { timeoutMs, signal });
  }

  async #ask(change: RosterChange, deadline: Deadline): Promise<void> {
    const { nodeId, log, forward, attemptTimeoutMs } = this.#options;
    const { leaderId } = log.status();
    const call = { timeoutMs: Math.min(attemptTimeoutMs, deadline.leftMs), signal: deadline.signal };
    if (leaderId === nodeId) return this.serve(change, call);
    if (leaderId === null)
      throw managerError('MANAGER_NO_LEADER', 'This node knows no leader.', { retry: 'safe' });
    await forward(leaderId, change, call);
  }
}

/** Repeating it says the same again, or is somebody else's to decide. */
const isFinal = ({ code, fault, retry }: ClusterError): boolean =>
  !harmless.has(code) && (fault === 'caller' || retry === 'useless' || code === 'RAFT_STOPPED');
