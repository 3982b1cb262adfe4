/**
 * Where the latest committed entry has to be, from its commit on and whatever happens to logs and disks afterwards: on the disks of a
 * majority of those who decided, and of somebody in every majority that could elect a leader by a configuration of that time or later
 * (thesis 3.6, 4.1). Who has the latest has what is before it, so that one alone is counted; it is counted again whenever a disk, a
 * configuration or the commit index has changed.
 *
 * A configuration of before does not count here: it may be that of a replica which was cut off while everybody it knows was replaced.
 * That nobody is elected by such a one is asked of the votes themselves.
 */
import { electableWithout } from './electable.ts';
import type { LoggedConfiguration, LoggedVoters } from './logged-voters.ts';
import type { DurableView, ReplicaView, VotersView } from './views.ts';

interface Replica {
  readonly view: ReplicaView;
  readonly logged: LoggedVoters;
}

interface Latest {
  /** Who called it committed. */
  readonly by: string;
  readonly index: number;
  readonly term: number;
  /** By which it was, the earlier one first. */
  readonly under: readonly LoggedConfiguration[];
}

type Fail = (invariant: string, detail: string) => void;

export class QuorumLog {
  readonly #durable: ReadonlyMap<string, DurableView>;
  readonly #fail: Fail;
  #latest: Latest | null = null;
  #isDue = false;
  #diskVersion = 0;

  constructor(durable: ReadonlyMap<string, DurableView>, fail: Fail) {
    this.#durable = durable;
    this.#fail = fail;
  }

  /** Whose disks have an entry, or a snapshot that covers it. */
  holdersOf(index: number, term: number): readonly string[] {
    return [...this.#durable].flatMap(([node, log]) =>
      log.coveredIndex >= index || log.termAt(index) === term ? [node] : [],
    );
  }

  /** An entry behind all others was called committed, by these majorities. */
  committed(latest: Latest): void {
    this.#latest = latest;
    this.#isDue = true;
  }

  /** A replica's log has got a configuration, or lost one. */
  configurationsChanged(): void {
    this.#isDue = true;
  }

  look(replicas: ReadonlyMap<string, Replica>): void {
    let version = 0;
    for (const log of this.#durable.values()) version += log.version;
    if (version === this.#diskVersion && !this.#isDue) return;
    this.#diskVersion = version;
    this.#isDue = false;
    if (this.#latest === null) return;
    this.#staysDurable(this.#latest);
    this.#isInEveryMajority(this.#latest, replicas);
    this.#cannotBeLost(this.#latest, replicas);
  }

  #staysDurable({ by, index, term, under }: Latest): void {
    const holders = this.holdersOf(index, term);
    if (under.some(({ voters }) => isMajority(voters, holders))) return;
    this.#fail(
      'committed is durable',
      `${by} called entry ${index} of term ${term} committed, which is now on the disks of ${holders.join(', ') || 'nobody'} only`,
    );
  }

  #isInEveryMajority({ index, term, under }: Latest, replicas: ReadonlyMap<string, Replica>): void {
    const [since] = under;
    const holders = this.holdersOf(index, term);
    for (const [node, { logged }] of replicas) {
      const { latest } = logged;
      if (since === undefined || isBefore(latest, since)) continue;
      const lacking = membersOf(latest.voters).filter((voter) => !holders.includes(voter));
      if (!isMajority(latest.voters, lacking)) continue;
      this.#fail(
        'quorum log',
        `by the configuration at ${latest.index} in the log of ${node}, ${lacking.join(', ')} are a majority, and none has entry ${index} of term ${term}, which is committed`,
      );
    }
  }

  #cannotBeLost({ by, index, term }: Latest, replicas: ReadonlyMap<string, Replica>): void {
    const candidates = [...replicas].map(([node, { view, logged }]) => ({
      node,
      lastIndex: view.lastIndex,
      firstIndex: view.firstIndex,
      termAt: (at: number) => view.termAt(at),
      voters: logged.latest.voters,
    }));
    const rival = electableWithout({ index, term }, candidates, this.#durable);
    if (rival === null) return;
    this.#fail(
      'nobody can be elected without what is committed',
      `${by} calls entry ${index} of term ${term} committed, and ${rival} can still be elected without it`,
    );
  }
}

/** Whether these decide: by both majorities, where the configuration is joint (thesis 4.3). */
export const isMajority = ({ voters, outgoing }: VotersView, of: readonly string[]): boolean =>
  [voters, outgoing].every(
    (half) => half.length === 0 || half.filter((voter) => of.includes(voter)).length * 2 > half.length,
  );

const membersOf = ({ voters, outgoing }: VotersView): readonly string[] => [
  ...new Set([...voters, ...outgoing]),
];

const isBefore = (a: LoggedConfiguration, b: LoggedConfiguration): boolean =>
  a.term < b.term || (a.term === b.term && a.index < b.index);
