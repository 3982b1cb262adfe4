/** Quorum of swim under `lease-majority`, over the coordinator's log: its roster, its lease, and what becomes of the verdicts. */
import { type Clock, type Logger, type Metrics, type Tracer } from '@cluster/core';
import type { Raft } from '@cluster/raft';
import {
  type LoggedLease,
  parseQuorumConfig,
  type QuorumConfigInput,
  type QuorumEngine,
  type RosterPort,
  type Swim,
} from '@cluster/swim';
import type { QuorumComponent, RosterComponent } from '../components.ts';
import type { QuorumChange } from '../types.ts';

export type QuorumSettings = Omit<QuorumConfigInput, 'name' | 'strategy'>;

/** @throws ClusterError `SWIM_QUORUM_CONFIG_INVALID` */
export const quorumSettings = (nodeId: string, settings: Readonly<Record<string, unknown>>) =>
  parseQuorumConfig({ ...(settings as QuorumSettings), name: nodeId, strategy: 'lease-majority' });

export interface QuorumParts {
  readonly swim: Swim;
  readonly clock: Clock;
  readonly config: ReturnType<typeof quorumSettings>;
  readonly bootId: string;
  readonly rosterPort: RosterPort;
  readonly lease: LoggedLease;
  readonly roster: RosterComponent;
  readonly raft: Pick<Raft, 'stop'>;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly tracer: Tracer | undefined;
}

export function quorumComponent(parts: QuorumParts): QuorumComponent {
  const { swim, clock, config, bootId, rosterPort, lease, roster, raft, logger, metrics, tracer } = parts;
  const listeners: ((change: QuorumChange) => void)[] = [];
  const tell = (change: QuorumChange): void => {
    for (const listener of listeners) listener(change);
  };
  let life = 1;
  let rejoining: { cancel(): void } | null = null;
  const engine: QuorumEngine = swim.quorum(config, {
    clock,
    boot: `${bootId}.${life}`,
    roster: rosterPort,
    lease,
    owner: {
      standDown: (reason) => {
        tell({ type: 'StoodDown', reason });
        // By then whoever was told has had the time to release what was its own.
        rejoining?.cancel();
        rejoining = clock.setTimer(config.quorumTtlMs, () => engine.rejoin(`${bootId}.${++life}`));
      },
      takeOver: (nodeIds, epoch) => tell({ type: 'TakenOver', nodeIds, epoch: epoch ?? 0 }),
    },
    logger,
    metrics,
    tracer,
  });
  engine.onEvent(({ type, side, missing }) => tell({ type, side, missing }));
  return {
    roster,
    view: engine,
    onEvent: (listener) => void listeners.push(listener),
    stop: async () => {
      rejoining?.cancel();
      engine.stop();
      await raft.stop();
    },
  };
}
