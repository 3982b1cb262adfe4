/**
 * Several groups over one channel: their messages are told apart by the group in each, and what can wait travels together.
 *
 * A node of a thousand groups would send a thousand heartbeats to each peer with every beat and get as many answers. So heartbeats wait a
 * moment for company; anything else goes at once and takes along what waits, in the order in which it was sent. What came together is
 * answered together.
 */
import type { Clock, TimerHandle } from '@cluster/core';
import type { RaftChannel } from './ports.ts';
import { decodeTogether, encodeTogether, groupOf, isHeartbeat } from './wire.ts';

export interface GroupChannelsOptions {
  readonly clock: Clock;
  /** How long a heartbeat waits for others, in ms. Well below the heartbeat interval, or followers get impatient. Default: 20. */
  readonly lingerMs?: number | undefined;
  /** Gets messages for groups nobody asked for, and bytes that are no message. */
  readonly onUnknown?: ((from: string, bytes: Uint8Array) => void) | undefined;
}

/** What waits for one peer. */
interface Held {
  messages: Uint8Array[];
  bytes: number;
  timer: TimerHandle | null;
}

// What waits goes when it is so much, however long it has waited.
const heldBytesMax = 64 * 1024;

/** @returns the channel of each group; ask before the first message arrives. */
export function groupChannels(
  channel: RaftChannel,
  options: GroupChannelsOptions,
): (groupId: number) => RaftChannel {
  const shared = new GroupChannels(channel, options);
  return (groupId) => shared.of(groupId);
}

class GroupChannels {
  readonly #channel: RaftChannel;
  readonly #clock: Clock;
  readonly #lingerMs: number;
  readonly #onUnknown: (from: string, bytes: Uint8Array) => void;
  readonly #receivers = new Map<number, (from: string, bytes: Uint8Array) => void>();
  readonly #losses = new Map<number, (peer: string) => void>();
  readonly #held = new Map<string, Held>();
  // Whose messages are being taken: the answers wait for the last of them.
  #answering: string | null = null;

  constructor(
    channel: RaftChannel,
    { clock, lingerMs = 20, onUnknown = () => undefined }: GroupChannelsOptions,
  ) {
    this.#channel = channel;
    this.#clock = clock;
    this.#lingerMs = lingerMs;
    this.#onUnknown = onUnknown;
    channel.onMessage((from, bytes) => this.#receive(from, bytes));
    channel.onPeerLost?.((peer) => this.#losses.forEach((lost) => lost(peer)));
  }

  of(groupId: number): RaftChannel {
    return {
      send: (to, bytes) => this.#send(to, bytes),
      onMessage: (receive) => void this.#receivers.set(groupId, receive),
      onPeerLost: (lost) => void this.#losses.set(groupId, lost),
    };
  }

  #receive(from: string, bytes: Uint8Array): void {
    const together = decodeTogether(bytes);
    if (together === null) return this.#deliver(from, bytes);
    this.#answering = from;
    for (const message of together) this.#deliver(from, message);
    this.#answering = null;
    this.#flush(from);
  }

  #deliver(from: string, bytes: Uint8Array): void {
    const receive = this.#receivers.get(groupOf(bytes) ?? -1);
    if (receive === undefined) this.#onUnknown(from, bytes);
    else receive(from, bytes);
  }

  #send(to: string, bytes: Uint8Array): void {
    let held = this.#held.get(to);
    if (held === undefined) this.#held.set(to, (held = { messages: [], bytes: 0, timer: null }));
    held.messages.push(bytes);
    held.bytes += bytes.length;
    if (held.bytes > heldBytesMax) return this.#flush(to);
    if (to === this.#answering) return;
    if (!isHeartbeat(bytes)) return this.#flush(to);
    held.timer ??= this.#clock.setTimer(this.#lingerMs, () => this.#flush(to));
  }

  #flush(to: string): void {
    const held = this.#held.get(to);
    if (held === undefined) return;
    this.#held.delete(to);
    held.timer?.cancel();
    const [first] = held.messages;
    if (held.messages.length === 1 && first !== undefined) this.#channel.send(to, first);
    else this.#channel.send(to, encodeTogether(held.messages));
  }
}
