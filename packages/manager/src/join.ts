/**
 * Joining: ask the seeds for the members until one answers, then make sure that at least one member and we accept each other's
 * certificates. Gossip needs a shared key only, so without the second step a node of another authority would look joined and be
 * able to talk to nobody.
 */
import type { Clock, ClusterError } from '@cluster/core';
import type { MembershipComponent, MessengerComponent } from './components.ts';
import { Deadline } from './deadline.ts';
import { asClusterError, managerError } from './errors.ts';
import { tagNames } from './node-info.ts';

export interface JoinOptions {
  readonly clock: Clock;
  readonly membership: MembershipComponent;
  readonly messenger: MessengerComponent;
  readonly seeds: readonly string[];
  readonly timeoutMs: number;
  readonly retryMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Resolves to the number of seeds that answered. */
export async function join(options: JoinOptions): Promise<number> {
  const { clock, timeoutMs, signal } = options;
  const deadline = new Deadline(clock, timeoutMs, signal);
  const answered = await contactSeeds(options, deadline);
  await meetOne(options, deadline);
  return answered;
}

async function contactSeeds(options: JoinOptions, deadline: Deadline): Promise<number> {
  const { membership, seeds, retryMs } = options;
  const { signal } = deadline;
  for (;;) {
    let failure: ClusterError;
    try {
      return await membership.join(seeds, signal ?? new AbortController().signal);
    } catch (error) {
      failure = asClusterError(error, 'MANAGER_JOIN_FAILED');
    }
    if (signal?.aborted !== true && failure.retry === 'useless') throw failure;
    if (deadline.leftMs <= retryMs) throw joinFailed(seeds, failure);
    await deadline.sleep(retryMs);
    deadline.check('MANAGER_JOIN_FAILED', failure);
  }
}

async function meetOne(options: JoinOptions, deadline: Deadline): Promise<void> {
  const { membership, messenger, retryMs, seeds } = options;
  for (;;) {
    const self = membership.self().id;
    const others = membership
      .members()
      .filter(
        ({ id, state, tags }) => id !== self && state === 'Alive' && tags[tagNames.transport] !== undefined,
      );
    // A pool of members without a transport (other software speaks this gossip too) has nothing to prove.
    if (others.length === 0) return;
    let failure: ClusterError;
    try {
      const timeoutMs = Math.max(1, Math.min(2000, deadline.leftMs));
      await Promise.any(others.map(({ id }) => messenger.ping(id, { timeoutMs, signal: deadline.signal })));
      return;
    } catch (error) {
      failure = worst(error);
    }
    if (isRefusal(failure)) throw failure;
    if (deadline.leftMs <= retryMs) throw joinFailed(seeds, failure);
    await deadline.sleep(retryMs);
    deadline.check('MANAGER_JOIN_FAILED', failure);
  }
}

/** The other side said no, or we did: its certificate, its cluster, its version. Waiting changes none of them. */
const isRefusal = ({ retry, fault }: ClusterError): boolean => retry === 'useless' || fault === 'peer';

/** Of several failures the one that says most: what no retry will mend. */
function worst(error: unknown): ClusterError {
  const errors =
    error instanceof AggregateError
      ? error.errors.map((one) => asClusterError(one))
      : [asClusterError(error)];
  return errors.find(isRefusal) ?? (errors[0] as ClusterError);
}

function joinFailed(seeds: readonly string[], cause: ClusterError): ClusterError {
  return managerError(
    'MANAGER_JOIN_FAILED',
    `No seed of ${seeds.join(', ')} let this node in: ${cause.line}`,
    { cause },
  );
}
