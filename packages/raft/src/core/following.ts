/** What a follower does with the leader's entries (thesis 3.5). */
import type { Shared } from './state.ts';
import type { Append } from './messages.ts';
import type { RaftOut } from './inputs-and-effects.ts';
import type { Entry, LogBase } from './types.ts';

export interface FollowingCheckpoint {
  readonly verified: number;
  readonly owesAck: boolean;
}

export class Following {
  readonly #shared: Shared;
  // Up to here the log is known to agree with that of the leader of this term.
  #verified = 0;
  // An acknowledgement waits for the disk.
  #owesAck = false;

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  /** A new term: nothing is known of its leader's log. */
  reset(): void {
    this.#verified = 0;
    this.#owesAck = false;
  }

  /** @returns why the message was refused as impossible, or null. */
  append(from: string, message: Append, out: RaftOut): string | null {
    const { log, commitIndex } = this.#shared;
    const { prevIndex, prevTerm, entries } = message;
    const { base } = log;
    // A snapshot covers what it begins behind, and so what the leader has there (leader completeness, thesis 3.6.3).
    if (prevIndex < base.index) return this.append(from, joined(message, base), out);
    if (!log.has(prevIndex, prevTerm)) {
      this.#reject(from, message, out);
      return null;
    }
    const fresh = this.#withoutKnown(entries);
    const [first] = fresh;
    if (first !== undefined) {
      // A correct leader has every committed entry (leader completeness, thesis 3.6.3).
      if (first.index <= commitIndex) return 'conflictsWithCommitted';
      const truncateAfter = first.index <= log.lastIndex ? first.index - 1 : null;
      if (truncateAfter !== null) this.#shared.truncateAfter(truncateAfter);
      this.#shared.append(fresh);
      this.#shared.persist(out, truncateAfter, fresh);
    }
    this.#verified = Math.max(this.#verified, prevIndex + entries.length);
    // What lies behind the last new entry may differ from the leader's log, however far that is committed.
    this.#commit(Math.min(message.commit, prevIndex + entries.length));
    if (first === undefined) this.#acknowledge(out);
    else this.#owesAck = true;
    return null;
  }

  /** A leader of an earlier term: the answer carries this node's term, which makes it step down (thesis 3.3). @returns null */
  refuse(from: string, { prevIndex: rejected }: Append, out: RaftOut): null {
    const { term } = this.#shared;
    const refusal = { type: 'appendRejected', term, rejected, hintIndex: 0, hintTerm: 0 } as const;
    this.#shared.sendWhenTermIsDurable(out, from, refusal);
    return null;
  }

  /** The log is committed up to `index`, wherever that was learned: in the leader's log, and so in this one as far as the two agree. */
  commit(index: number): void {
    this.#commit(Math.min(index, this.#verified));
  }

  /** More is on the disk than before. */
  persisted(out: RaftOut): void {
    if (this.#owesAck && !this.#shared.isLeader && this.#shared.leaderId !== null) this.#acknowledge(out);
  }

  #commit(index: number): void {
    this.#shared.commitIndex = Math.max(this.#shared.commitIndex, index);
  }

  // Only what is on the disk is acknowledged (thesis 3.8); the rest follows when it is.
  #acknowledge(out: RaftOut): void {
    this.#shared.persistHardState(out);
    const { durability, term, leaderId } = this.#shared;
    this.#owesAck = durability.term !== term || durability.index < this.#verified;
    if (durability.term !== term || leaderId === null) return;
    this.#shared.send(out, leaderId, {
      type: 'appendAccepted',
      term,
      match: Math.min(this.#verified, durability.index),
    });
  }

  #reject(from: string, { prevIndex, prevTerm }: Append, out: RaftOut): void {
    const { log, term } = this.#shared;
    const hintIndex = log.lastAtMost(prevIndex, prevTerm) ?? log.base.index;
    const hintTerm = log.termAt(hintIndex) ?? 0;
    this.#shared.sendWhenTermIsDurable(out, from, {
      type: 'appendRejected',
      term,
      rejected: prevIndex,
      hintIndex,
      hintTerm,
    });
  }

  /** Entries from the first one that is missing or conflicts: an old, short append must not cut off what followed it. */
  #withoutKnown(entries: readonly Entry[]): readonly Entry[] {
    const { log } = this.#shared;
    const known = entries.findIndex(({ index, term }) => !log.has(index, term));
    return known === -1 ? [] : known === 0 ? entries : entries.slice(known);
  }

  checkpoint(): FollowingCheckpoint {
    return { verified: this.#verified, owesAck: this.#owesAck };
  }

  restore({ verified, owesAck }: FollowingCheckpoint): void {
    this.#verified = verified;
    this.#owesAck = owesAck;
  }
}

/** The same message as if it began behind `base`. */
const joined = (message: Append, base: LogBase): Append => ({
  ...message,
  prevIndex: base.index,
  prevTerm: base.term,
  entries: message.entries.filter(({ index }) => index > base.index),
});
