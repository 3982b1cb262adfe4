/** What the demo knows of the cluster, folded from what its processes tell. */
import type { AcknowledgedWrite, FromClient, FromNode, NodeStatus } from './protocol.ts';

export interface FeedLine {
  readonly atMs: number;
  readonly node: string;
  readonly event: string;
  readonly subject: string;
  readonly text: string;
}

interface Rate {
  atMs: number;
  served: number;
  perSecond: number;
}

export class ClusterState {
  readonly nodeIds: readonly string[];
  readonly status = new Map<string, NodeStatus>();
  readonly feed: FeedLine[] = [];
  readonly writes: AcknowledgedWrite[] = [];
  reads = 0;
  failed = 0;
  lastError: string | null = null;
  readonly #rates = new Map<string, Rate>();
  readonly #onFeed: (line: FeedLine) => void;
  // Executed by nodes that have been restarted since.
  #servedBefore = 0;

  constructor(nodeIds: readonly string[], onFeed: (line: FeedLine) => void) {
    this.nodeIds = nodeIds;
    this.#onFeed = onFeed;
  }

  takeNode(node: string, message: FromNode, nowMs: number): void {
    if (message.kind === 'status') this.#takeStatus(node, message.status, nowMs);
    if (message.kind === 'event') {
      const { atMs, event, subject, text } = message;
      const line = { atMs, node, event, subject, text };
      this.feed.push(line);
      this.#onFeed(line);
    }
  }

  takeClient(message: FromClient): void {
    if (message.kind !== 'progress') return;
    this.writes.push(...message.writes);
    this.reads = message.reads;
    this.failed = message.failed;
    this.lastError = message.lastError;
  }

  /** Forgets a node that has been killed. */
  lose(node: string): void {
    this.#servedBefore += this.status.get(node)?.queriesServed ?? 0;
    this.status.delete(node);
    this.#rates.delete(node);
  }

  /** The node most of the living follow; null while there is none or they differ. */
  get leader(): string | null {
    const leaders = [...this.status.values()].filter((status) => status.role === 'leader');
    const newest = leaders.sort((a, b) => b.term - a.term)[0];
    return newest?.nodeId ?? null;
  }

  /** True when each of `observers` sees each of `subjects` in one of `states`. */
  agree(observers: readonly string[], subjects: readonly string[], states: readonly string[]): boolean {
    return observers.every((observer) => {
      const members = this.status.get(observer)?.members;
      return members !== undefined && subjects.every((subject) => states.includes(members[subject] ?? ''));
    });
  }

  /** When the first of these events about the subject was seen by anyone, at or after `sinceMs`; undefined = not yet. */
  firstEventMs(events: readonly string[], subject: string, sinceMs: number): number | undefined {
    return this.feed.find(
      (line) => line.atMs >= sinceMs && line.subject === subject && events.includes(line.event),
    )?.atMs;
  }

  /** When the last of `observers` saw one of these events about the subject; undefined while one has not. */
  lastObserverMs(
    events: readonly string[],
    subject: string,
    observers: readonly string[],
    sinceMs: number,
  ): number | undefined {
    let last = 0;
    for (const observer of observers) {
      const line = this.feed.find(
        (entry) =>
          entry.node === observer &&
          entry.atMs >= sinceMs &&
          entry.subject === subject &&
          events.includes(entry.event),
      );
      if (line === undefined) return undefined;
      last = Math.max(last, line.atMs);
    }
    return last;
  }

  /** When the cluster first acknowledged a write that was begun after `sinceMs`. */
  firstWriteMs(sinceMs: number): number | undefined {
    const later = this.writes
      .filter((write) => write.startedMs >= sinceMs)
      .map((write) => write.acknowledgedMs);
    return later.length === 0 ? undefined : later.reduce((a, b) => Math.min(a, b));
  }

  perSecond(node: string): number {
    return this.#rates.get(node)?.perSecond ?? 0;
  }

  get queriesServed(): number {
    let served = this.#servedBefore;
    for (const status of this.status.values()) served += status.queriesServed;
    return served;
  }

  #takeStatus(node: string, status: NodeStatus, nowMs: number): void {
    this.status.set(node, status);
    const rate = this.#rates.get(node);
    if (rate === undefined) {
      this.#rates.set(node, { atMs: nowMs, served: status.queriesServed, perSecond: 0 });
    } else if (nowMs - rate.atMs >= 900) {
      rate.perSecond = Math.round(((status.queriesServed - rate.served) * 1000) / (nowMs - rate.atMs));
      rate.atMs = nowMs;
      rate.served = status.queriesServed;
    }
  }
}
