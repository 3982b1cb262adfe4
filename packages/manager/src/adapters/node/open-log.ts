/** Opens the replicated logs of a node: the one of the data and, where quorum is wanted, the coordinator's. */
import { join } from 'node:path';
import { type Logger, memoryDisk, type MetricsRegistry, type Tracer } from '@cluster/core';
import { systemClock, systemRandom, systemWallClock } from '@cluster/core/node';
import {
  groupChannels,
  MemoryLogStorage,
  Raft,
  type RaftChannel,
  type RaftConfigInput,
  SnapshotFiles,
} from '@cluster/raft';
import { startRaft, type StartRaftConfig } from '@cluster/raft/node';
import { LeaseReplica, LoggedLease, type Swim } from '@cluster/swim';
import type { LogComponent, MessengerComponent, QuorumComponent } from '../../components.ts';
import type { ManagerConfig } from '../../config.ts';
import type { StateMachine } from '../../ports.ts';
import { forwardRosterChange } from '../../roster-wire.ts';
import { RosterChanges } from '../../roster.ts';
import { Deadline } from '../../deadline.ts';
import { agreedRoster } from '../agreed-roster.ts';
import { leaseMachine } from '../lease-machine.ts';
import { logComponent } from '../log.ts';
import { quorumComponent, quorumSettings } from '../quorum.ts';

export interface LogInput {
  readonly nodeId: string;
  readonly config: ManagerConfig;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly tracer: Tracer | undefined;
}

/** Whose majority decides when the logs begin; null on a node without one. */
function votersOf({ config, nodeId }: LogInput): readonly string[] | null {
  // A durable log must not begin alone by default: it could never be joined to another.
  const voters = config.voters ?? (config.dataDir === undefined ? [nodeId] : null);
  // An empty list: a replica that waits to be added.
  return voters !== null && voters.length > 0 && !voters.includes(nodeId) ? null : voters;
}

async function openGroup(
  { config, nodeId, logger, metrics, tracer }: LogInput,
  settings: Omit<RaftConfigInput, 'nodeId'> & Pick<StartRaftConfig, 'wal'>,
  ports: { readonly channel: RaftChannel; readonly stateMachine: StateMachine },
  folder: string,
): Promise<Raft> {
  const { wal, ...more } = settings;
  const all = { ...config.raft, ...more, nodeId };
  const shared = { ...ports, logger, metrics, tracer };
  const { dataDir } = config;
  if (dataDir !== undefined)
    return startRaft(
      { ...all, ...(wal === undefined ? {} : { wal }), dataDir: join(dataDir, folder) },
      shared,
    );
  return Raft.start(all, {
    ...shared,
    clock: systemClock,
    wallClock: systemWallClock,
    storage: new MemoryLogStorage(),
    snapshots: new SnapshotFiles({ disk: memoryDisk() }),
    seed: systemRandom.u32(),
    afterTurn: queueMicrotask,
  });
}

const dataGroup = 0;
const coordinatorGroup = 1;
// A few small entries a second, and a state of some kilobytes.
const coordinatorSettings = { groupId: coordinatorGroup, snapshotEntries: 2000, logTailEntries: 500 };
// How long a change that quorum itself proposes may take.
const proposalBeats = 20;
const coordinatorWal = { segmentBytes: 1024 * 1024, growthBytes: 1024 * 1024 };

export class Logs {
  readonly #input: LogInput;
  readonly #voters: readonly string[] | null;
  readonly #channelOf: (groupId: number) => RaftChannel;

  constructor(input: LogInput, channel: RaftChannel) {
    this.#input = input;
    this.#voters = votersOf(input);
    // One group alone has nobody to wait for.
    const lingerMs = input.config.quorum === undefined ? 0 : undefined;
    this.#channelOf = groupChannels(channel, { clock: systemClock, lingerMs });
  }

  async open(stateMachine: StateMachine, onError: (error: unknown) => void): Promise<LogComponent | null> {
    const voters = this.#voters;
    if (voters === null) return null;
    const { config, logger } = this.#input;
    if (config.dataDir === undefined)
      logger.log('warn', 'the replicated log is kept in memory only: give dataDir to keep it over a restart');
    const ports = { channel: this.#channelOf(dataGroup), stateMachine };
    return logComponent(
      await openGroup(this.#input, { groupId: dataGroup, voters: [...voters] }, ports, '.'),
      onError,
    );
  }

  /** @param data that of the data, whose members follow the roster when it shrinks. */
  async openQuorum(
    swim: Swim,
    messenger: MessengerComponent,
    data: LogComponent | null,
    bootId: string,
    onError: (error: unknown) => void,
  ): Promise<QuorumComponent | null> {
    const { config, nodeId, logger, metrics, tracer } = this.#input;
    const voters = this.#voters;
    if (config.quorum === undefined || voters === null || data === null) return null;
    const settings = quorumSettings(nodeId, config.quorum);
    const { quorumTtlMs, clockMargin, beatPeriodMs } = settings;
    const lease: LoggedLease = new LoggedLease({
      clock: systemClock,
      outlastMs: quorumTtlMs * (1 + clockMargin),
      // Later it counts for nothing.
      propose: (command, done) =>
        void raft.replica.propose(command, { timeoutMs: quorumTtlMs }, (outcome) =>
          done(outcome.ok ? { ok: true, value: outcome.value.result } : outcome),
        ),
    });
    const machine = leaseMachine(new LeaseReplica(), (index) => lease.applied(index));
    const ports = { channel: this.#channelOf(coordinatorGroup), stateMachine: machine };
    const group = { ...coordinatorSettings, voters: [...voters], wal: coordinatorWal };
    const raft: Raft = await openGroup(this.#input, group, ports, 'coordinator');
    const log = logComponent(raft, onError);
    const changesOf = (changed: LogComponent, name: 'data' | 'coordinator'): RosterChanges =>
      new RosterChanges({
        nodeId,
        clock: systemClock,
        log: changed,
        attemptTimeoutMs: config.attemptTimeoutMs,
        meet: (id, { leftMs, signal }) => messenger.ping(id, { timeoutMs: leftMs, signal }),
        forward: forwardRosterChange(messenger, name),
      });
    const roster = changesOf(log, 'coordinator');
    const followers = changesOf(data, 'data');
    const rosterPort = agreedRoster(log, async ({ type, name }, index) => {
      const change = { nodeId: name, becomes: type === 'add' ? 'staged' : 'removed' } as const;
      const deadline = new Deadline(systemClock, beatPeriodMs * proposalBeats, undefined);
      await roster.change({ ...change, epoch: index }, deadline);
      await followers.change({ ...change, epoch: null }, deadline);
    });
    return quorumComponent({
      swim,
      clock: systemClock,
      config: settings,
      bootId,
      rosterPort,
      lease,
      roster,
      raft,
      logger,
      metrics,
      tracer,
    });
  }
}
