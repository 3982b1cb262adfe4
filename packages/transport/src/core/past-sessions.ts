/**
 * Sessions and boots that are over, so that what was recorded of them cannot be said again: a session of the name would begin, and
 * take every message for new. Boots of a peer follow each other: where a later one has been admitted, an earlier one never speaks again.
 *
 * Bounded in number and time. The oldest goes first; what has gone could be said again, by who holds the peer's key.
 */
import type { Refusal } from './refusal.ts';

export interface PastSessionsLimits {
  readonly pastSessionsMax: number;
  readonly pastSessionsMs: number;
}

export interface PastSessionsCheckpoint {
  /** By name, when it ended. */
  readonly ended: readonly (readonly [string, number])[];
  /** By peer, the boot that was admitted last, and when its last session ended. */
  readonly boots: readonly (readonly [string, readonly [string, number]])[];
}

export class PastSessions {
  readonly #limits: PastSessionsLimits;
  // Maps keep the order in which keys were added: the first is the oldest.
  #ended = new Map<string, number>();
  #boots = new Map<string, readonly [string, number]>();

  constructor(limits: PastSessionsLimits) {
    this.#limits = limits;
  }

  /** A session with this boot of the peer is over. */
  ended(peer: string, bootId: string, sessionId: string, nowMs: number): void {
    this.#note(this.#ended, nameOf(peer, bootId, sessionId), nowMs, nowMs);
    this.#note(this.#boots, peer, [bootId, nowMs], nowMs);
  }

  /** This boot of the peer has been admitted. @param known the boot that it was before, as far as that is known. */
  admitted(peer: string, bootId: string, known: string | null, nowMs: number): void {
    const before = known ?? this.#boots.get(peer)?.[0] ?? bootId;
    if (before !== bootId) this.#note(this.#ended, nameOf(peer, before), nowMs, nowMs);
  }

  /** Null, or why the peer may not go on, or begin what it proposes. @param proposedId null in the answer to a HELLO of ours. */
  judge(peer: string, bootId: string, proposedId: string | null, nowMs: number): Refusal | null {
    const isPast = (name: string): boolean => {
      const endedMs = this.#ended.get(name);
      return endedMs !== undefined && nowMs - endedMs < this.#limits.pastSessionsMs;
    };
    if (isPast(nameOf(peer, bootId)))
      return {
        code: 'TRANSPORT_BOOT_ENDED',
        reason: `the boot ${bootId} of ${peer} was followed by another: two processes use the name, or it is a replay`,
      };
    if (proposedId === null || !isPast(nameOf(peer, bootId, proposedId))) return null;
    return { code: 'TRANSPORT_SESSION_ENDED', reason: `the session ${proposedId} of ${peer} is over` };
  }

  checkpoint(): PastSessionsCheckpoint {
    return { ended: [...this.#ended], boots: [...this.#boots] };
  }

  restore({ ended, boots }: PastSessionsCheckpoint): void {
    this.#ended = new Map(ended);
    this.#boots = new Map(boots);
  }

  #note<T extends number | readonly [string, number]>(
    map: Map<string, T>,
    key: string,
    value: T,
    nowMs: number,
  ): void {
    // Again at the end: it is the newest now.
    map.delete(key);
    map.set(key, value);
    const { pastSessionsMax, pastSessionsMs } = this.#limits;
    for (const [oldest, noted] of map) {
      const endedMs = typeof noted === 'number' ? noted : noted[1];
      if (map.size <= pastSessionsMax && nowMs - endedMs < pastSessionsMs) return;
      map.delete(oldest);
    }
  }
}

/** A space is in none of the parts. */
const nameOf = (...parts: readonly string[]): string => parts.join(' ');
