/** What is known of every peer, its connection and its streams, in the manner of gRPC's channelz: for people and their tools. */
import type { Address } from '@cluster/core';
import type { Line } from '../core/identity.ts';
import { type Counts } from '../core/tally.ts';
import { priorities, type Priority } from '../core/outgoing.ts';
import type { Delivery } from './delivery.ts';
import type { StreamCounts, StreamHub } from './stream-hub.ts';
import type { WireConnection } from './wire-connection.ts';

export interface ConnectionStatus extends Counts {
  readonly id: number;
  /** This side has dialled. */
  readonly dialled: boolean;
  /** By the transport's clock. */
  readonly openedMs: number;
  readonly lastHeardMs: number;
  /** SHA-256 fingerprint of the certificate that the peer has shown on it: tells whether it has been renewed since a rotation. */
  readonly certificate: string | null;
  readonly remote: Address | null;
  readonly keepalivesSent: number;
  /** Written and not taken by the network yet, where that is known. */
  readonly unsentBytes: number | null;
}

export interface StreamStatus extends Counts {
  readonly id: number;
  /** This side has opened it. */
  readonly ours: boolean;
  readonly typeId: number;
  readonly priority: Priority;
  /** Sent, and not read by the peer; received, and not read here. */
  readonly outstandingBytes: number;
  readonly unreadBytes: number;
  /** What the peer takes besides what is outstanding, unless all streams have used up what they may have together. */
  readonly roomBytes: number;
  /** How much the peer may have sent and this side not read: tuned. */
  readonly windowBytes: number;
}

export interface ChannelStatus extends Counts, StreamCounts {
  readonly peer: string;
  readonly line: Line;
  readonly connectionsOpened: number;
  readonly connectionsClosed: number;
  readonly sessionsBegun: number;
  /** Requests, messages whose arrival matters, and pings, of this side; those that are neither are waiting. */
  readonly callsStarted: number;
  readonly callsSucceeded: number;
  readonly callsFailed: number;
  readonly lastCallStartedMs: number | null;
  /** Requests of the peer's; a refused one has failed, and one that is neither is being handled. */
  readonly requestsReceived: number;
  readonly requestsSucceeded: number;
  readonly requestsFailed: number;
  /** By priority: what the peer has of ours and has not finished with. Its window is `streamWindowBytes` of the peer. */
  readonly windowUsedBytes: Readonly<Record<Priority, number>>;
  readonly windowBytes: number;
  /** Written and not acknowledged; how much that may be now; and the shortest round trip of late, null until one has been measured. */
  readonly inFlightBytes: number;
  readonly inFlightBytesMax: number;
  readonly roundTripMs: number | null;
  readonly connection: ConnectionStatus | null;
  readonly streams: readonly StreamStatus[];
}

export const channelsOf = (
  deliveries: readonly Delivery[],
  connections: { get(id: number): WireConnection | null },
  hub: StreamHub,
): readonly ChannelStatus[] =>
  deliveries.map((delivery) => {
    const { connection } = delivery;
    return channelOf(delivery, connection === null ? null : connections.get(connection.id), hub);
  });

function channelOf(delivery: Delivery, connection: WireConnection | null, hub: StreamHub): ChannelStatus {
  const {
    peer: key,
    node: peer,
    line,
    connectionsOpened,
    sessionsBegun,
    peerLimits,
    inFlight,
    calls,
    served,
  } = delivery;
  const used = priorities.map((priority, i) => [priority, delivery.windowUsed(i)]);
  return {
    peer,
    line,
    ...delivery.tally.counts(),
    connectionsOpened,
    connectionsClosed: connectionsOpened - (connection === null ? 0 : 1),
    sessionsBegun,
    ...hub.counts(key),
    callsStarted: calls.started,
    callsSucceeded: calls.succeeded,
    callsFailed: calls.started - calls.succeeded - calls.size,
    lastCallStartedMs: calls.lastStartedMs,
    requestsReceived: served.received,
    requestsSucceeded: served.succeeded,
    requestsFailed: served.failed,
    windowUsedBytes: Object.fromEntries(used) as Record<Priority, number>,
    windowBytes: peerLimits.streamWindowBytes,
    inFlightBytes: delivery.inFlightBytes,
    inFlightBytesMax: inFlight.boundBytes,
    // Who only reads has measured it for that.
    roundTripMs: inFlight.roundTripMs ?? hub.roundTripMs(key),
    connection: connection === null ? null : connectionStatus(connection),
    streams: hub.all(key).map(({ tally, id, ours, typeId, priority, outstanding, room, unread, window }) => ({
      id,
      ours,
      typeId,
      priority,
      ...tally.counts(),
      outstandingBytes: outstanding,
      roomBytes: room,
      unreadBytes: unread,
      windowBytes: window.bytes,
    })),
  };
}

function connectionStatus({
  id,
  dialled,
  openedMs,
  lastHeardMs,
  keepalivesSent,
  stream,
  tally,
}: WireConnection): ConnectionStatus {
  const unsentBytes = stream?.unsentBytes ?? null;
  const certificate = stream?.certificate ?? null;
  return {
    id,
    dialled: dialled !== null,
    openedMs,
    lastHeardMs,
    certificate,
    remote: stream?.remote ?? null,
    keepalivesSent,
    unsentBytes,
    ...tally.counts(),
  };
}
