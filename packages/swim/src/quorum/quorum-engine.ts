/** Quorum with its ports, in callbacks. It runs in the simulator as it does in production. */
import { ClusterError, describeError, type Done, Driver, type Logger, silentLogger } from '@cluster/core';
import { type QuorumConfig, ruleOf } from './config.ts';
import { decodeQuorumMessage, encodeQuorumMessage, type QuorumMessage } from './messages.ts';
import { type PartitionMode, type Permission, permits } from './modes.ts';
import { QuorumCore } from './quorum-core.ts';
import { QuorumMetrics } from './quorum-metrics.ts';
import type { QuorumEffect, QuorumInput } from './quorum-effects.ts';
import type { PartitionHappening, QuorumPorts } from './quorum-ports.ts';
import { changeInvalid, type Roster, type RosterChange } from './roster.ts';
import { changeObjection, evidenceOf, staticMembersMax } from './strategy.ts';

export class QuorumEngine {
  readonly #config: QuorumConfig;
  readonly #ports: QuorumPorts;
  readonly #logger: Logger;
  readonly #core: QuorumCore;
  readonly #driver: Driver<QuorumInput, QuorumEffect>;
  readonly #listeners = new Set<(event: PartitionHappening) => void>();
  readonly #endings: (() => void)[] = [];
  readonly #metrics: QuorumMetrics;
  #encoded: { readonly message: QuorumMessage; readonly bytes: Uint8Array } | null = null;
  #phase: 'new' | 'running' | 'stopped' = 'new';

  /** @throws ClusterError `SWIM_QUORUM_PORT_MISSING`. */
  constructor(config: QuorumConfig, ports: QuorumPorts) {
    const evidence = evidenceOf(config.strategy);
    const needed = {
      grants: ['roster', 'channel'],
      lease: ['roster', 'lease', 'membership'],
      view: ['membership'],
    } as const;
    for (const port of needed[evidence])
      if (ports[port] === undefined) throw portMissing(config.strategy, port);
    this.#config = config;
    this.#ports = ports;
    this.#logger = ports.logger ?? silentLogger;
    this.#metrics = new QuorumMetrics(ports.metrics);
    this.#core = new QuorumCore(config);
    this.#driver = new Driver({
      node: config.name,
      name: 'quorum',
      core: this.#core,
      clock: ports.clock,
      execute: (effect) => this.#execute(effect),
      onBug: (error) => this.#broke(error),
      tracer: ports.tracer,
    });
  }

  start(): void {
    if (this.#phase !== 'new') return;
    this.#phase = 'running';
    const { roster, membership, channel, boot } = this.#ports;
    channel?.onMessage((from, bytes) => this.#receive(from, bytes));
    const counts = evidenceOf(this.#config.strategy) !== 'view';
    if (roster !== undefined && counts) {
      this.#endings.push(roster.onChange((next) => this.#setRoster(next)));
      this.#setRoster(roster.current());
    }
    if (membership !== undefined) {
      this.#endings.push(membership.onEvent(() => this.#look()));
      this.#look();
    }
    this.#dispatch({ type: 'START', boot });
  }

  /** Idempotent. From here on it holds nothing. */
  stop(): void {
    this.#phase = 'stopped';
    this.#driver.stop();
    for (const end of this.#endings.splice(0)) end();
  }

  /** Comes back as a new life, after `standDown`. @param boot unlike every earlier one of this node. */
  rejoin(boot: string): void {
    this.#dispatch({ type: 'REJOIN', boot });
  }

  /** Whether this node may act for the cluster at this very moment. Ask again before every act: it lapses by the clock. */
  get holdsQuorum(): boolean {
    return this.#phase === 'running' && this.#core.holdsQuorum(this.#ports.clock.nowMs());
  }

  /** What a user of data in this mode may do here and now. */
  permits(mode: PartitionMode, operation: 'read' | 'write', staleMaxMs?: number): Permission {
    const { holdsQuorum } = this;
    const withoutQuorumMs = holdsQuorum ? 0 : this.#core.withoutQuorumMs(this.#ports.clock.nowMs());
    return permits(mode, operation, { holdsQuorum, withoutQuorumMs }, staleMaxMs);
  }

  /** `joining`, `rostered.entering`, `.whole`, `.suspected.settling`, `.suspected.wavering`, `.deciding`, `.deferring`, `.asking`, `.upheld` or `downed`. */
  get partition(): string {
    return this.#core.partition;
  }

  get roster(): Roster {
    return this.#core.roster;
  }

  /** Members of the roster that are not on our side. */
  get missing(): readonly string[] {
    return this.#core.missing;
  }

  /** Lives (`name/boot`) that have been taken over from. */
  get taken(): readonly string[] {
    return this.#core.taken;
  }

  get boot(): string {
    return this.#core.boot;
  }

  /** To be given with whatever is done for the cluster: who has seen a higher one refuses. */
  get epoch(): number {
    return this.#core.epoch;
  }

  /** Asks for a change of the roster; only where quorum is held, and only by one member. */
  proposeRoster(change: RosterChange, done: Done<Roster>): void {
    const { roster } = this.#ports;
    const error = this.#objection(change);
    if (error !== null || roster?.propose === undefined)
      return done({ ok: false, error: error ?? changeInvalid(change, 'it is fixed') });
    roster.propose(change, this.#core.roster.epoch, done);
  }

  /** @returns ends the subscription. */
  onEvent(listener: (event: PartitionHappening) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #objection(change: RosterChange): ClusterError | null {
    const { rosterFloor, rosterMax } = this.#config;
    const { length } = this.#core.roster.members;
    if (!this.holdsQuorum) return noQuorum();
    const why = changeObjection(ruleOf(this.#config), length, change.type);
    if (why !== null) return changeInvalid(change, why);
    if (change.type === 'add' && length >= rosterMax)
      return changeInvalid(change, `${rosterMax} members are the most`);
    if (change.type === 'remove' && length <= rosterFloor)
      return changeInvalid(change, `${rosterFloor} members are the least`);
    return null;
  }

  #setRoster(roster: Roster): void {
    const { strategy, staticQuorum = 1, rosterMax } = this.#config;
    const { length } = roster.members;
    if (strategy === 'static-quorum' && length > staticMembersMax(staticQuorum))
      this.#logger.log(
        'error',
        `static-quorum ${staticQuorum} allows ${staticMembersMax(staticQuorum)} members, and the roster has ${length}: nobody holds quorum.`,
      );
    if (length > rosterMax)
      this.#logger.log(
        'error',
        `The roster has ${length} members, more than rosterMax (${rosterMax}): nobody holds quorum.`,
      );
    this.#dispatch({ type: 'ROSTER', roster });
    this.#metrics.roster(this.#core.roster);
  }

  #look(): void {
    const members = this.#ports.membership?.members() ?? [];
    const known = members.filter(({ state }) => state !== 'Left');
    // A suspect may still refute: SWIM's own verdict is death.
    const alive = known.filter(({ state }) => state !== 'Dead');
    const names = (list: typeof members): string[] => list.map(({ name }) => name);
    this.#dispatch({ type: 'VIEW', known: names(known), alive: names(alive) });
  }

  #receive(from: string, bytes: Uint8Array): void {
    const message = decodeQuorumMessage(bytes);
    if (message === null) this.#metrics.rejected();
    else this.#dispatch({ type: 'MESSAGE', from, message });
  }

  #dispatch(input: QuorumInput): void {
    if (this.#phase === 'running') this.#driver.dispatch(input);
  }

  #execute(effect: QuorumEffect): void {
    const { channel, roster, owner } = this.#ports;
    switch (effect.type) {
      case 'send':
        return channel?.send(effect.to, this.#encode(effect.message));
      case 'takeLease':
        return this.#takeLease(effect);
      case 'proposeRoster':
        if (roster?.propose === undefined) return;
        return roster.propose(effect.change, effect.epoch, () =>
          this.#dispatch({ type: 'PROPOSAL_SETTLED' }),
        );
      case 'report':
        return this.#report(effect);
      case 'standDown':
        this.#logger.log('warn', `This node stands down: ${effect.reason}.`);
        return owner.standDown(effect.reason);
      case 'takeOver':
        this.#logger.log('info', `Taken over from: ${effect.names.join(', ')}.`);
        return owner.takeOver?.(effect.names, effect.epoch);
    }
  }

  /** The question to everybody is encoded once. */
  #encode(message: QuorumMessage): Uint8Array {
    if (this.#encoded?.message !== message) this.#encoded = { message, bytes: encodeQuorumMessage(message) };
    return this.#encoded.bytes;
  }

  #takeLease({ boot, without, askedAtMs }: Extract<QuorumEffect, { type: 'takeLease' }>): void {
    const { lease } = this.#ports;
    lease?.take({ node: this.#config.name, boot, without }, (outcome) => {
      const answer = outcome.ok ? outcome.value : null;
      this.#dispatch({ type: 'LEASE_ANSWERED', boot, askedAtMs, without, answer });
    });
  }

  #report({ event: type, side, missing }: Extract<QuorumEffect, { type: 'report' }>): void {
    this.#logger.log('info', type, { side, missing });
    this.#metrics.report(type, missing.length);
    const event: PartitionHappening = { type, member: null, side, missing, atMs: this.#ports.clock.nowMs() };
    for (const listener of this.#listeners) listener(event);
  }

  #broke(error: unknown): void {
    this.#logger.log('error', `Quorum has stopped on a bug: ${describeError(error)}`);
    this.stop();
    this.#ports.owner.standDown('unrostered');
  }
}

const portMissing = (strategy: string, port: string): ClusterError =>
  new ClusterError({
    code: 'SWIM_QUORUM_PORT_MISSING',
    fault: 'caller',
    message: `The strategy ${strategy} needs the port ${port}.`,
    advice: 'Supply it, or choose another strategy.',
  });

const noQuorum = (): ClusterError =>
  new ClusterError({
    code: 'SWIM_NO_QUORUM',
    fault: 'environment',
    message: 'This node does not hold quorum, so it cannot propose a change of the roster.',
    advice: 'Ask a node that does, or wait until the partition has healed.',
    retry: 'safe',
  });
