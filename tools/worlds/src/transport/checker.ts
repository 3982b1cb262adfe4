/**
 * Holds what the nodes see against what the transport promises: nothing acknowledged is lost, nothing comes twice or out of order,
 * what is called safe to repeat was never done, every call ends in time, and nothing grows past its bound.
 */
import type { ClusterError, Outcome } from '@cluster/core';
import type { ChannelStatus, PeerStatus } from '@cluster/transport';
import type { World } from '@cluster/sim';
import { isAnswerTo, read, type Said } from './message.ts';

/** `post` promises nothing, `arrival` that it came, `answer` that it was handled. */
export type Until = 'post' | 'arrival' | 'answer';

interface Sent {
  readonly until: Until;
  /** Process that sent it. */
  readonly sender: string;
  readonly to: string;
  ended: boolean;
  delivered: boolean;
  /** Why the sender was told that nothing of it was or will be done; null while it was not. */
  disowned: string | null;
}

export interface Bounds {
  readonly queueMessagesMax: number;
  readonly queueBytesMax: number;
  readonly callsMax: number;
  readonly streamWindowBytes: number;
  readonly inboundCallsMax: number;
  readonly peersMax: number;
  readonly streamBufferBytes: number;
  readonly streamBufferBytesMax: number;
  readonly streamsBufferBytes: number;
}

/** What can be seen of a running node. */
export interface NodeView {
  peers(): readonly PeerStatus[];
  channels(): readonly ChannelStatus[];
}

/** What a message costs its receiver besides its bytes. */
const overheadBytes = 256;
const frameBytes = 16;
/** A prime, so that every node has its turn. */
const lookAtStreamsEvery = 7;

export class TransportChecker {
  readonly #world: World;
  readonly #names: readonly string[];
  readonly #bounds: Bounds;
  readonly #sent = new Map<number, Sent>();
  readonly #turns = new Map<string, number>();
  /** Bytes and requests with handlers that have not finished, by receiver, sender and priority. */
  readonly #held = new Map<string, { bytes: number; messages: number; calls: number }>();
  /** What was last seen of the way from one node to another. */
  readonly #yielding = new Set<string>();
  readonly #renewing = new Set<string>();
  readonly #breakers = new Map<string, string>();
  readonly #views = new Map<string, NodeView>();
  #nextId = 1;
  #turn = 0;

  constructor(world: World, names: readonly string[], bounds: Bounds) {
    this.#world = world;
    this.#names = names;
    this.#bounds = bounds;
    world.onStep(() => this.#look());
  }

  started(node: string, view: NodeView): void {
    this.#views.set(node, view);
  }

  gone(node: string): void {
    this.#views.delete(node);
    for (const key of this.#held.keys()) if (key.startsWith(`${node} `)) this.#held.delete(key);
  }

  /** A node begins a session on a line of a peer: what handlers of the last one hold is counted no more. */
  sessionBegan(node: string, line: string): void {
    for (const key of this.#held.keys()) if (key.startsWith(`${node} ${line} `)) this.#held.delete(key);
  }

  /** The id of a message about to be sent. */
  sends(until: Until, sender: string, to: string): number {
    const id = this.#nextId++;
    this.#sent.set(id, { until, sender, to, ended: false, delivered: false, disowned: null });
    return id;
  }

  /** It was not taken. */
  refused(id: number): void {
    const sent = this.#sent.get(id);
    if (sent !== undefined) sent.disowned = 'it was not taken';
  }

  ended(id: number, outcome: Outcome<Uint8Array>): void {
    const sent = this.#sent.get(id);
    if (sent === undefined) return;
    if (sent.ended) this.#world.fail('a call ends once', `call ${id} from ${sent.sender} ends again`);
    sent.ended = true;
    if (outcome.ok) this.#succeeded(id, sent, outcome.value);
    else this.#failed(id, sent, outcome.error);
  }

  /** A call's deadline is over. */
  overdue(id: number): void {
    const sent = this.#sent.get(id);
    if (sent?.ended === false)
      this.#world.fail('every call ends by its deadline', `call ${id} of ${sent.sender} to ${sent.to}`);
  }

  /** What a handler was given; null when it is not what anybody sent. */
  delivered(node: string, from: string, priority: number, bytes: Uint8Array): Said | null {
    const said = read(bytes);
    const sent = said === null ? undefined : this.#sent.get(said.id);
    if (said === null || sent === undefined || sent.to !== node || this.#names[said.from] !== from) {
      this.#world.fail(
        'a message comes as it was sent',
        `${node} got ${bytes.length} strange bytes from ${from}`,
      );
      return null;
    }
    if (sent.delivered)
      this.#world.fail('nothing is delivered twice', `message ${said.id} of ${sent.sender}, to ${node}`);
    if (sent.disowned !== null)
      this.#world.fail(
        'what is safe to repeat was never done',
        `message ${said.id} of ${sent.sender}, though: ${sent.disowned}`,
      );
    sent.delivered = true;
    if (said.priority !== priority)
      this.#world.fail('a message comes as it was sent', `message ${said.id} in priority ${priority}`);
    this.#inOrder(`${sent.sender} ${node} ${priority}`, said);
    return said;
  }

  /** A handler holds a message until it says that it has finished. @param from the line it came on: each has windows of its own. */
  holds(node: string, from: string, priority: number, bytes: number, isCall: boolean): () => void {
    const key = `${node} ${from} ${priority}`;
    const held = this.#held.get(key) ?? { bytes: 0, messages: 0, calls: 0 };
    this.#held.set(key, held);
    held.bytes += bytes + overheadBytes;
    held.messages++;
    if (isCall) held.calls++;
    const { streamWindowBytes, inboundCallsMax } = this.#bounds;
    if (held.messages > 1 && held.bytes > streamWindowBytes)
      this.#world.fail('handlers hold no more than the window', `${key}: ${held.bytes} bytes`);
    if (held.calls > inboundCallsMax)
      this.#world.fail('so many requests are handled and no more', `${key}: ${held.calls}`);
    return () => {
      held.bytes -= bytes + overheadBytes;
      held.messages--;
      if (isCall) held.calls--;
    };
  }

  /** A handler's message, or the answer to a call, some time after it came. */
  stays(isIntact: boolean): void {
    if (!isIntact) this.#world.fail('what was given to keep stays as it came', 'other bytes stand there now');
  }

  /** The reader of a stream has so much that it has not finished with. */
  reads(key: string, unreadBytes: number): void {
    if (unreadBytes > this.#bounds.streamBufferBytesMax)
      this.#world.fail('streams hold no more than their windows', `${key}: ${unreadBytes} bytes`);
  }

  /** Accepted posts of a process that were neither delivered nor told to be dropped. */
  missing(sender: string): number {
    let missing = 0;
    for (const sent of this.#sent.values()) {
      if (sent.sender === sender && sent.until === 'post' && !sent.delivered && sent.disowned === null)
        missing++;
    }
    return missing;
  }

  #succeeded(id: number, sent: Sent, answer: Uint8Array): void {
    if (!sent.delivered)
      this.#world.fail('nothing acknowledged is lost', `${sent.to} never saw call ${id} of ${sent.sender}`);
    if (sent.until === 'answer' && !isAnswerTo(answer, id))
      this.#world.fail('an answer belongs to its question', `call ${id} of ${sent.sender}`);
  }

  #failed(id: number, sent: Sent, error: ClusterError): void {
    if (error.retry !== 'safe') return;
    sent.disowned = error.message;
    if (sent.delivered)
      this.#world.fail(
        'what is safe to repeat was never done',
        `call ${id} of ${sent.sender}: ${error.message}`,
      );
  }

  #inOrder(key: string, { id, turn }: Said): void {
    const last = this.#turns.get(key) ?? 0;
    if (turn <= last)
      this.#world.fail(
        'messages of a priority keep their order',
        `${key}: message ${id} is number ${turn}, after ${last}`,
      );
    this.#turns.set(key, turn);
  }

  #breakerChanged(way: string, breaker: string): void {
    this.#breakers.set(way, breaker);
    if (breaker === 'open') this.#world.counters.add('breakersOpened');
    else if (breaker === 'halfOpen.probing') this.#world.counters.add('breakersProbed');
  }

  /** One node after each event. */
  #look(): void {
    const name = this.#names[this.#turn++ % this.#names.length] ?? '';
    const view = this.#views.get(name);
    if (this.#turn % lookAtStreamsEvery === 0) this.#lookAtStreams(name, view?.channels() ?? []);
    const peers = view?.peers() ?? [];
    const { queueMessagesMax, queueBytesMax, callsMax, peersMax } = this.#bounds;
    const known = peers.filter(({ line }) => line === 'control').length;
    if (known > peersMax || peers.length > 2 * peersMax)
      this.#world.fail('tables are bounded', `${name} knows ${known}, on ${peers.length} lines`);
    for (const { peer, line, pool, breaker, queued, unacknowledged, queuedBytes } of peers) {
      const way = `${name} ${peer} ${line}`;
      // Pairs that have dialled each other at once.
      if (pool === 'yielding') this.#yielding.add(way);
      else if (this.#yielding.delete(way))
        this.#world.counters.add(line === 'bulk' ? 'simultaneousBulkDials' : 'simultaneousDials');
      if (pool === 'renewing') this.#renewing.add(way);
      else if (this.#renewing.delete(way) && pool === 'connected') this.#world.counters.add('renewals');
      if (this.#breakers.get(way) !== breaker) this.#breakerChanged(way, breaker);
      // Each call that is taken back may cost a frame that says so.
      const messages = queued + unacknowledged;
      if (messages > queueMessagesMax + callsMax || queuedBytes > queueBytesMax + frameBytes * callsMax)
        this.#world.fail(
          'queues are bounded',
          `${name} to ${peer}: ${messages} messages, ${queuedBytes} bytes`,
        );
    }
  }

  /** What the windows of all streams have become bounds nobody's memory: what they may hold together does. */
  #lookAtStreams(name: string, channels: readonly ChannelStatus[]): void {
    const { streamBufferBytes, streamBufferBytesMax, streamsBufferBytes } = this.#bounds;
    for (const { peer, line, streams } of channels) {
      let unread = 0;
      for (const { unreadBytes, windowBytes } of streams) {
        unread += unreadBytes;
        if (windowBytes > streamBufferBytes) this.#world.counters.add('streamWindowsGrown');
        if (windowBytes > streamBufferBytesMax)
          this.#world.fail('windows are bounded', `${name} has one of ${windowBytes} bytes`);
      }
      if (unread > streamsBufferBytes)
        this.#world.fail(
          'all streams hold no more than they may together',
          `${name} has ${unread} bytes of ${peer} on ${line}`,
        );
    }
  }
}
