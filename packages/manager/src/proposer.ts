/**
 * Takes commands into the replicated log, each exactly once.
 *
 * A leader that dies may or may not have committed what it was given, so every command carries (client id, sequence) and is
 * simply proposed again — at once when a new leader is heard of — until its one result comes back. The log remembers the
 * results of a session's last 256 sequences (Raft thesis 6.3); a session never has more than that in doubt.
 */
import type { Clock, ClusterError } from '@cluster/core';
import type { Committed, LogComponent } from './components.ts';
import type { Deadline } from './deadline.ts';
import { asClusterError, managerError } from './errors.ts';
import type { SessionMark } from './ports.ts';
import { SessionKeeper } from './session-keeper.ts';

const pauseMs = 20;
const applyPollMs = 2;

export interface ProposerOptions {
  readonly clock: Clock;
  readonly log: LogComponent;
  /** How long one attempt may take before the command is proposed again. */
  readonly attemptTimeoutMs: number;
  /** Who this node is to the log: owner of the sessions it opens for itself. */
  readonly self: string;
}

export class Proposer {
  readonly #options: ProposerOptions;
  readonly #leaderWaiters = new Set<() => void>();
  readonly #sessions: SessionKeeper;
  #hasWritten = false;

  constructor(options: ProposerOptions) {
    this.#options = options;
    this.#sessions = new SessionKeeper(options.clock, (deadline) => this.openSession(options.self, deadline));
    options.log.onEvent((change) => {
      if (change.type !== 'LeaderChanged' || change.leaderId === null) return;
      for (const wake of this.#leaderWaiters) wake();
    });
  }

  /** Whether anything may have been taken into the log through this node. */
  get hasWritten(): boolean {
    return this.#hasWritten;
  }

  /** In a session of this node's own. */
  propose(command: Uint8Array, deadline: Deadline): Promise<Committed> {
    return this.#sessions.use(deadline, (mark) => this.proposeAs(command, mark, deadline));
  }

  /** In the caller's session: a repeat with the same mark gives the same result. */
  async proposeAs(command: Uint8Array, session: SessionMark, deadline: Deadline): Promise<Committed> {
    this.#hasWritten = true;
    let last: ClusterError | undefined;
    for (let attempt = 1; ; attempt++) {
      deadline.check('MANAGER_QUERY_TIMEOUT', last);
      try {
        return await this.#attempt(command, session, deadline);
      } catch (error) {
        last = sessionFailure(error, attempt);
        if (isFinal(last)) throw last;
        await deadline.sleep(pauseMs);
      }
    }
  }

  /** Lets a session be used by whom it was opened for, as the log has it, and by nobody else. */
  async authorize({ clientId }: SessionMark, actor: string, deadline: Deadline): Promise<void> {
    const { log, clock, attemptTimeoutMs } = this.#options;
    const giveUpMs = clock.nowMs() + attemptTimeoutMs / 2;
    // Its number is its opening's place in the log: what this replica has not applied yet it cannot judge.
    for (;;) {
      const owner = log.sessionOwner(clientId);
      if (owner === actor) return;
      if (owner !== undefined)
        throw managerError('MANAGER_SESSION_FORBIDDEN', `Session ${clientId} is not of ${actor}.`);
      const { appliedIndex } = log.status();
      if (appliedIndex >= clientId)
        throw managerError('MANAGER_SESSION_EXPIRED', 'The log has closed this session.', { retry: 'safe' });
      if (clock.nowMs() >= giveUpMs)
        throw managerError(
          'MANAGER_REPLICA_BEHIND',
          `This replica has applied ${appliedIndex}, and the session was opened at ${clientId}.`,
        );
      await deadline.sleep(applyPollMs);
      deadline.check('MANAGER_QUERY_TIMEOUT');
    }
  }

  async openSession(owner: string, deadline: Deadline): Promise<number> {
    this.#hasWritten = true;
    let last: ClusterError | undefined;
    for (;;) {
      deadline.check('MANAGER_NO_LEADER', last);
      try {
        const timeoutMs = Math.min(this.#options.attemptTimeoutMs, deadline.leftMs);
        return await this.#options.log.openSession({ owner, signal: deadline.signal, timeoutMs });
      } catch (error) {
        // A session that was opened and never heard of costs an entry, and is closed when others are newer.
        last = asClusterError(error);
        if (isFinal(last)) throw last;
        await deadline.sleep(pauseMs);
      }
    }
  }

  /** One proposal, given up when its time is over or another leader is heard of. */
  async #attempt(command: Uint8Array, session: SessionMark, deadline: Deadline): Promise<Committed> {
    const { log, attemptTimeoutMs } = this.#options;
    const giveUp = new AbortController();
    const before = log.status().leaderId;
    const onLeader = (): void => {
      // A proposal that was waiting for a first leader is on its way by itself.
      if (before !== null && log.status().leaderId !== before) giveUp.abort();
    };
    this.#leaderWaiters.add(onLeader);
    const signals = deadline.signal === undefined ? [giveUp.signal] : [giveUp.signal, deadline.signal];
    try {
      return await log.propose(command, {
        session,
        timeoutMs: Math.min(attemptTimeoutMs, deadline.leftMs),
        signal: AbortSignal.any(signals),
      });
    } catch (error) {
      if (!giveUp.signal.aborted) throw error;
      throw managerError('MANAGER_NO_LEADER', 'The leader changed while it held the proposal.', {
        cause: error,
        retry: 'unsafe',
      });
    } finally {
      this.#leaderWaiters.delete(onLeader);
    }
  }
}

/** A replica that has stopped will not come back: the caller may ask another node. */
const isFinal = ({ code, retry }: ClusterError): boolean =>
  retry === 'useless' || code === 'MANAGER_SESSION_EXPIRED' || code === 'RAFT_STOPPED';

function sessionFailure(error: unknown, attempt: number): ClusterError {
  const failure = asClusterError(error);
  if (failure.code !== 'RAFT_SESSION_EXPIRED') return failure;
  return managerError('MANAGER_SESSION_EXPIRED', 'The log has closed this session.', {
    cause: failure,
    // Only a command that was never tried before is certainly not in the log.
    retry: attempt === 1 ? 'safe' : 'unsafe',
  });
}
