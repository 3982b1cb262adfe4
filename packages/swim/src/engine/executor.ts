/** Carries out what the core asks for: each effect goes to the part of the engine that it concerns. */
import type { DatagramSocket, Logger } from '@cluster/core';
import type { SwimEffect, SwimInput } from '../core/effects.ts';
import type { SwimCore } from '../core/swim-core.ts';
import { hasLeft, joinAborted, joinBusy, joinFailed } from '../errors.ts';
import type { MemberHappening } from '../member.ts';
import type { SwimMetrics } from '../metrics.ts';
import type { SwimPorts } from '../ports.ts';
import { isMetadata } from '../wire.ts';
import type { MetadataLayer } from './metadata-layer.ts';
import type { OpenCalls } from './open-calls.ts';
import type { Packets } from './packets.ts';
import type { SerfLayer } from './serf-layer.ts';
import type { Streams } from './streams.ts';
import type { MemberViews } from './views.ts';

type Effect<T extends SwimEffect['type']> = Extract<SwimEffect, { type: T }>;

export interface ExecutorParts {
  readonly core: SwimCore;
  readonly ports: SwimPorts;
  readonly logger: Logger;
  readonly metrics: SwimMetrics;
  readonly calls: OpenCalls;
  readonly packets: Packets;
  readonly streams: Streams;
  readonly serf: SerfLayer | null;
  readonly metadata: MetadataLayer | null;
  readonly views: MemberViews;
  readonly dispatch: (input: SwimInput) => void;
  readonly onEvent: (event: MemberHappening) => void;
}

export class Executor {
  readonly #parts: ExecutorParts;
  /** Where packets leave; none while nothing is bound. */
  socket: DatagramSocket | null = null;

  constructor(parts: ExecutorParts) {
    this.#parts = parts;
  }

  execute(effect: SwimEffect): void {
    const { calls, metadata, metrics, ports, serf, streams } = this.#parts;
    switch (effect.type) {
      case 'send':
        return this.#send(effect);
      case 'startExchange':
        metrics.exchanges.add();
        return streams.startExchange(effect);
      case 'answerExchange':
        return streams.answerExchange(effect);
      case 'cancelExchange':
        return streams.cancelExchange(effect.exchange);
      case 'refuseStream':
        metrics.rejected('streams', effect.reason);
        return streams.refuse(effect.stream, effect.reason);
      case 'streamPing':
        return streams.ping(effect.to, effect.ping);
      case 'answerStreamPing':
        return streams.answerPing(effect.stream, effect.seqNo);
      case 'notify':
        return this.#notify(effect);
      case 'storeIncarnation':
        return this.#storeIncarnation(effect.reserve);
      case 'joinFinished':
        return this.#joinFinished(effect);
      case 'joinRefused':
        return calls.settleJoin(effect.join, () => ({
          ok: false,
          error: effect.hasLeft ? hasLeft() : joinBusy(),
        }));
      case 'rejoined':
        return serf?.joined();
      case 'rivalAnswered':
        return serf?.rivalAnswered();
      case 'leaveFinished':
        return calls.settleLeaves({ ok: true, value: undefined });
      case 'deliverUserState':
        serf?.mergeState(effect.state, effect.isOurs);
        return ports.delegate?.mergeRemoteState?.(effect.state, effect.join);
      case 'deliverUserMessage':
        if (metadata !== null && isMetadata(effect.payload)) return metadata.hear(effect.payload);
        serf?.hear(effect.payload);
        // A copy: equal messages share their bytes, and the application may do with its own what it likes.
        return ports.delegate?.onUserMessage?.(effect.payload.slice(), effect.from);
      case 'countRejected':
        return metrics.rejected(effect.channel, effect.reason);
      case 'countProbe':
        return this.#countProbe(effect);
      case 'countRefutation':
        return metrics.refutations.add();
      case 'countDroppedBroadcast':
        return metrics.droppedBroadcasts.add();
    }
  }

  #send({ to, messages, checksum }: Effect<'send'>): void {
    const { core, metrics, packets } = this.#parts;
    if (this.socket !== null) packets.send(this.socket, to, messages, checksum);
    metrics.setQueued(core.queues);
  }

  #countProbe({ target, outcome, roundTripMs, payload }: Effect<'countProbe'>): void {
    const { core, logger, metrics, serf, streams } = this.#parts;
    if (roundTripMs !== null) {
      metrics.pingMs.observe(roundTripMs);
      serf?.measured(target, roundTripMs, payload);
    }
    if (outcome === 'failed') metrics.pingFailures.add();
    if (outcome === 'only_stream') {
      metrics.streamOnlyPings.add();
      logger.log('warn', `${target} answers over TCP but not over UDP: check the firewall.`, {
        member: target,
      });
    }
    metrics.health.set(core.health);
    // Once a period is often enough for what changes seldom.
    metrics.incarnation.set(core.self(0).incarnation);
    metrics.inboundStreams.set(streams.inbound);
  }

  #notify({ notice, member: record }: Effect<'notify'>): void {
    const { core, logger, metadata, metrics, onEvent, ports, serf, views } = this.#parts;
    const { name } = record;
    if (notice === 'Suspect') metrics.suspicions.add();
    metrics.happened(notice);
    metrics.setMembers(core.counts, core.self(0).state);
    if (notice === 'Conflict')
      logger.log('warn', `Another process uses the name ${name} at another address.`, { member: name });
    else logger.log('info', `${name}: ${notice}`, { member: name, incarnation: record.incarnation });
    const event: MemberHappening = {
      type: notice,
      member: views.of(record),
      atMs: ports.clock.nowMs(),
    };
    serf?.noticed(event);
    metadata?.noticed(event, views.exchangesMetadata(record));
    onEvent(event);
  }

  #storeIncarnation(reserve: number): void {
    const { dispatch, logger, ports } = this.#parts;
    ports.incarnations?.store(reserve, (outcome) => {
      // Being believed alive now matters more than after the next start, which will have to refute instead.
      if (!outcome.ok) logger.log('warn', `The incarnation was not stored: ${outcome.error.line}`);
      dispatch({ type: 'INCARNATION_STORED', reserved: reserve });
    });
  }

  #joinFinished({ join, reached, failures, aborted }: Effect<'joinFinished'>): void {
    const { calls, logger, serf } = this.#parts;
    if (reached > 0) serf?.joined();
    calls.settleJoin(join, (noted) => {
      const all = [...noted, ...failures];
      if (aborted) return { ok: false, error: joinAborted() };
      if (reached === 0 && all.length > 0) return { ok: false, error: joinFailed(all) };
      for (const { seed, reason } of all)
        logger.log('warn', `The seed ${seed.host}:${seed.port} could not be joined: ${reason}.`);
      return { ok: true, value: reached };
    });
  }
}
