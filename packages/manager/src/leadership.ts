/** Who leads, as this node knows it. */
import { EventHub } from '@cluster/core';
import type { LogComponent, LogStatus } from './components.ts';
import { aborted, managerError } from './errors.ts';
import type { CallOptions, FailoverEvent, OverflowEvent, RaftRole } from './types.ts';

export interface LeadershipStatus {
  readonly leaderId: string | null;
  readonly term: number;
  /** `none` on a node that does not vote: it hears of no leader, and its writes go through one that does. */
  readonly role: RaftRole | 'none';
  readonly isLeader: boolean;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly lastIndex: number;
  readonly voters: readonly string[];
}

const noLog: LeadershipStatus = {
  leaderId: null,
  term: 0,
  role: 'none',
  isLeader: false,
  commitIndex: 0,
  appliedIndex: 0,
  lastIndex: 0,
  voters: [],
};

export class Leadership {
  readonly #hub: EventHub<FailoverEvent | OverflowEvent>;
  readonly #log: () => LogComponent | null;
  readonly #wallNow: () => number;

  constructor(log: () => LogComponent | null, wallNow: () => number, eventQueue: number) {
    this.#log = log;
    this.#wallNow = wallNow;
    this.#hub = new EventHub({
      capacity: eventQueue,
      onOverflow: (dropped) => ({ type: 'Overflow', dropped, at: wallNow() }),
    });
  }

  status(): LeadershipStatus {
    const status = this.#log()?.status();
    return status === undefined ? noLog : fromLog(status);
  }

  get leaderId(): string | null {
    return this.status().leaderId;
  }

  get isLeader(): boolean {
    return this.status().isLeader;
  }

  /** Changes of leader and role from now on. */
  events(
    options: { readonly signal?: AbortSignal } = {},
  ): AsyncIterableIterator<FailoverEvent | OverflowEvent> {
    return this.#hub.subscribe(options);
  }

  /**
   * Resolves to the leader's id, at once when one is known.
   * @param options `timeoutMs` has no default: without it and `signal` the call waits for ever.
   * @throws ClusterError `MANAGER_NO_LEADER` at the timeout, `MANAGER_ABORTED`, `MANAGER_NOT_VOTER`.
   */
  async waitForLeader(options: CallOptions = {}): Promise<string> {
    const { signal, timeoutMs } = options;
    if (this.#log() === null) {
      throw managerError('MANAGER_NOT_VOTER', 'waitForLeader needs a replicated log on this node.');
    }
    const limit = timeoutMs === undefined ? null : AbortSignal.timeout(timeoutMs);
    const signals = [signal, limit].filter((one) => one !== undefined && one !== null);
    const events = this.#hub.subscribe(signals.length === 0 ? {} : { signal: AbortSignal.any(signals) });
    try {
      for (let known = this.leaderId; ; known = this.leaderId) {
        if (known !== null) return known;
        const { done } = await events.next();
        if (done !== true) continue;
        if (signal?.aborted === true) throw aborted(signal);
        throw managerError('MANAGER_NO_LEADER', 'There was no leader in time.');
      }
    } finally {
      await events.return?.();
    }
  }

  /** @internal */
  publish(event: FailoverEvent): void {
    this.#hub.publish(event);
  }

  /** @internal */
  close(): void {
    this.#hub.close();
  }

  /** @internal */
  now(): number {
    return this.#wallNow();
  }
}

function fromLog(status: LogStatus): LeadershipStatus {
  const { leaderId, term, role, commitIndex, appliedIndex, lastIndex, voters } = status;
  return { leaderId, term, role, isLeader: role === 'leader', commitIndex, appliedIndex, lastIndex, voters };
}
