/** The answer to "is this node well?", from what its components say. */
import type { LeadershipStatus } from './leadership.ts';
import type { PathView } from './components.ts';
import type { LifecycleState, NodeInfo } from './types.ts';

export interface HealthCheck {
  readonly name: 'lifecycle' | 'members' | 'leader' | 'quorum' | 'paths';
  readonly ok: boolean;
  readonly detail: string;
}

export interface HealthReport {
  /** `degraded`: it serves, but something is amiss. `unhealthy`: it cannot serve what it is there for. */
  readonly status: 'healthy' | 'degraded' | 'unhealthy';
  readonly nodeId: string;
  readonly checks: readonly HealthCheck[];
}

export interface HealthInput {
  readonly nodeId: string;
  readonly lifecycle: LifecycleState;
  readonly members: readonly NodeInfo[];
  readonly leadership: LeadershipStatus;
  readonly paths: readonly PathView[];
  readonly isConnected: (nodeId: string) => boolean;
}

export function assessHealth(input: HealthInput): HealthReport {
  const { nodeId, lifecycle, members, leadership, paths, isConnected } = input;
  const running = lifecycle.startsWith('running');
  const absent = members.filter(({ state }) => state === 'Suspect' || state === 'Dead');
  const poor = paths.filter(({ state }) => state === 'degraded' || state === 'down');
  const checks: HealthCheck[] = [
    { name: 'lifecycle', ok: running, detail: lifecycle },
    {
      name: 'members',
      ok: absent.length === 0,
      detail:
        absent.length === 0
          ? `${members.length} known`
          : absent.map(({ id, state }) => `${id} is ${state}`).join(', '),
    },
    {
      name: 'paths',
      ok: poor.length === 0,
      detail:
        poor.length === 0
          ? `${paths.length} watched`
          : poor.map(({ peer, state }) => `${peer} is ${state}`).join(', '),
    },
  ];
  if (leadership.role !== 'none') {
    const { voters, leaderId } = leadership;
    const reachable = voters.filter((voter) => voter === nodeId || isConnected(voter)).length;
    const majority = Math.floor(voters.length / 2) + 1;
    checks.push(
      { name: 'leader', ok: leaderId !== null, detail: leaderId ?? 'none known' },
      {
        name: 'quorum',
        ok: reachable >= majority,
        detail: `${reachable} of ${voters.length} voters, ${majority} needed`,
      },
    );
  }
  const bad = (name: HealthCheck['name']): boolean =>
    checks.some((check) => check.name === name && !check.ok);
  const status =
    bad('lifecycle') || bad('quorum') ? 'unhealthy' : checks.every(({ ok }) => ok) ? 'healthy' : 'degraded';
  return { status, nodeId, checks };
}
