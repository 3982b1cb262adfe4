/**
 * Looks at every replica after every event and holds what it sees against Raft's promises (thesis figure 3.2, section 3.8, 6.3).
 *
 * Each check is incremental. Log matching rests on its induction: entries are filed by index and term together with the term
 * before them, so two logs that share an entry share everything before it once each entry has been filed without contradiction.
 */
import { type World } from '@cluster/sim';
import { describeCommand, sameBytes } from './commands.ts';
import { configurationIn, type LoggedConfiguration, LoggedVoters } from './logged-voters.ts';
import { isMajority, QuorumLog } from './quorum-log.ts';
import type { DurableView, EntryView, ReplicaView, VotersView } from './views.ts';

interface Filed extends EntryView {
  readonly previousTerm: number;
  readonly by: string;
}

interface Committed {
  readonly term: number;
  /** Term of the replica that was the first to call it committed: leaders of later terms must have it. */
  readonly byTerm: number;
}

/** What was last seen of a replica. */
interface Seen {
  view: ReplicaView;
  term: number;
  role: string;
  commitIndex: number;
  configuration: VotersView;
  configurationIndex: number;
  firstIndex: number;
  /** Terms of its log, by index; place 0 is unused. */
  terms: number[];
  /** Who decides by its log; and what that was before it was looked at. */
  readonly logged: LoggedVoters;
  loggedBefore: LoggedConfiguration;
}

export class RaftChecker {
  readonly #world: World;
  readonly #quorumLog: QuorumLog;
  readonly #seen = new Map<string, Seen>();
  readonly #leaderOf = new Map<number, string>();
  readonly #filed = new Map<number, Map<number, Filed>>();
  readonly #committed: (Committed | undefined)[] = [undefined];
  readonly #committedConfigurations: LoggedConfiguration[] = [];
  readonly #founders: readonly string[];
  readonly #where: string;

  /**
   * @param founders the voters of a log in which no configuration is.
   * @param where comes before what it says, in a world of several groups.
   */
  constructor(
    world: World,
    durable: ReadonlyMap<string, DurableView>,
    founders: readonly string[],
    where = '',
  ) {
    this.#world = world;
    this.#quorumLog = new QuorumLog(durable, (invariant, detail) => this.#fail(invariant, detail));
    this.#founders = founders;
    this.#where = where;
    world.onStep(() => this.#look());
  }

  /** Highest index that any replica has called committed. */
  get committedIndex(): number {
    return this.#committed.length - 1;
  }

  /** Term of a committed entry. */
  committedTerm(index: number): number | undefined {
    return this.#committed[index]?.term;
  }

  /** A replica has recovered and runs. */
  started(node: string, view: ReplicaView): void {
    const logged = new LoggedVoters(this.#founders);
    this.#seen.set(node, {
      view,
      logged,
      loggedBefore: logged.latest,
      term: view.term,
      role: view.role,
      commitIndex: 0,
      configuration: view.configuration,
      configurationIndex: view.configurationIndex,
      firstIndex: 1,
      terms: [0],
    });
  }

  gone(node: string): void {
    this.#seen.delete(node);
  }

  get leaders(): readonly string[] {
    return [...this.#seen].filter(([, { role }]) => role === 'leader').map(([node]) => node);
  }

  /** Compares whole logs, entry by entry: what the increments rest on. */
  compareLogs(): void {
    for (const [a, { view: left }] of this.#seen) {
      for (const [b, { view: right }] of this.#seen) {
        if (a < b) this.#compare(a, left, b, right);
      }
    }
  }

  #compare(a: string, left: ReplicaView, b: string, right: ReplicaView): void {
    let same = false;
    for (let index = Math.min(left.lastIndex, right.lastIndex); index > 0; index--) {
      const [one, other] = [left.entryAt(index), right.entryAt(index)];
      if (one === undefined || other === undefined) continue;
      same ||= one.term === other.term;
      if (same && !sameEntry(one, other)) {
        this.#fail(
          'log matching',
          `${a} and ${b} agree later but not at ${index}: ${show(one)} and ${show(other)}`,
        );
      }
    }
  }

  #look(): void {
    for (const [node, seen] of this.#seen) {
      const { view } = seen;
      if (view.term !== seen.term) this.#termChanged(node, seen);
      if (view.role !== seen.role) this.#roleChanged(node, seen);
      seen.loggedBefore = seen.logged.latest;
      this.#followLog(node, seen);
      if (seen.logged.latest !== seen.loggedBefore) this.#quorumLog.configurationsChanged();
      if (view.commitIndex !== seen.commitIndex) this.#commitMoved(node, seen);
      // Whoever does not lead may be given another in the place of the one it had, at the same index: by entries or by a snapshot.
      if (view.configurationIndex !== seen.configurationIndex || seen.role !== 'leader')
        this.#configurationMoved(node, seen);
    }
    this.#quorumLog.look(this.#seen);
  }

  #termChanged(node: string, seen: Seen): void {
    const { term } = seen.view;
    if (term < seen.term)
      this.#fail('terms never decrease', `${node} went from term ${seen.term} to ${term}`);
    seen.term = term;
    // A leader of a term is one for good or steps down: the new term's role is looked at afresh.
    seen.role = '';
  }

  #roleChanged(node: string, seen: Seen): void {
    seen.role = seen.view.role;
    if (seen.role !== 'leader') return;
    const { term } = seen;
    const other = this.#leaderOf.get(term);
    if (other !== undefined && other !== node) {
      this.#fail('election safety', `${other} and ${node} both lead in term ${term}`);
    }
    if (other === undefined) this.#world.counters.add('elections');
    this.#leaderOf.set(term, node);
    if (seen.logged.latest.voters.outgoing.length > 0) this.#world.counters.add('jointInherited');
    for (let index = 1; index < this.#committed.length; index++) {
      const entry = this.#committed[index];
      if (entry === undefined || entry.byTerm >= term || index < seen.view.firstIndex) continue;
      if (seen.view.termAt(index) !== entry.term) {
        const has = String(seen.view.termAt(index));
        this.#fail(
          'leader completeness',
          `${node} leads in term ${term} without entry ${index} of term ${entry.term} (it has ${has}), committed in term ${entry.byTerm}`,
        );
      }
    }
  }

  #followLog(node: string, seen: Seen): void {
    const { view, terms } = seen;
    if (view.firstIndex !== seen.firstIndex) this.#beginningMoved(node, seen);
    const known = terms.length - 1;
    if (view.lastIndex === known && view.termAt(known) === terms[known]) return;
    let agrees = Math.min(known, view.lastIndex);
    while (agrees >= view.firstIndex && view.termAt(agrees) !== terms[agrees]) agrees--;
    if (agrees < known) {
      this.#world.counters.add('conflicts');
      if (seen.role === 'leader') {
        this.#fail(
          'leader append-only',
          `${node}, leader of term ${seen.term}, dropped entries after ${agrees}`,
        );
      }
      if (agrees < seen.commitIndex) {
        this.#fail('committed entries stay', `${node} dropped committed entries after ${agrees}`);
      }
    }
    terms.length = agrees + 1;
    seen.logged.truncatedAfter(agrees);
    for (let index = agrees + 1; index <= view.lastIndex; index++) {
      const entry = view.entryAt(index);
      if (entry === undefined) return this.#fail('logs have no gaps', `${node} has no entry ${index}`);
      this.#file(node, index, entry, terms[index - 1] ?? 0);
      terms.push(entry.term);
      seen.logged.appended(index, entry);
    }
  }

  /** What is not in the log any more must be covered by a snapshot, which covers only what is committed (thesis 5.1). */
  #beginningMoved(node: string, seen: Seen): void {
    const { view, terms } = seen;
    const base = view.firstIndex - 1;
    if (view.firstIndex < seen.firstIndex) {
      this.#fail(
        'a log never begins earlier again',
        `${node} began at ${seen.firstIndex}, and now at ${view.firstIndex}`,
      );
    }
    seen.firstIndex = view.firstIndex;
    const term = this.#committed[base]?.term;
    if (term === undefined || view.termAt(base) !== term) {
      this.#fail(
        'a snapshot covers what is committed',
        `the log of ${node} begins behind ${base} of term ${String(view.termAt(base))}, where ${String(term)} is committed`,
      );
    }
    if (terms[base] !== term) {
      terms.length = 0;
      seen.logged.replaced(this.#committedConfigurations.filter(({ index }) => index <= base));
      this.#world.counters.add('logsReplaced');
    } else this.#world.counters.add('logsShortened');
    for (let index = 0; index <= base; index++) terms[index] = this.#committed[index]?.term ?? 0;
  }

  #file(node: string, index: number, entry: EntryView, previousTerm: number): void {
    if (entry.term < previousTerm) {
      this.#fail(
        'terms grow along a log',
        `${node} has ${show(entry)} at ${index} behind term ${previousTerm}`,
      );
    }
    let byTerm = this.#filed.get(index);
    if (byTerm === undefined) this.#filed.set(index, (byTerm = new Map()));
    const filed = byTerm.get(entry.term);
    if (filed === undefined) {
      const { term, kind, command } = entry;
      byTerm.set(term, { term, kind, command, previousTerm, by: node });
      return;
    }
    if (filed.previousTerm === previousTerm && sameEntry(filed, entry)) return;
    this.#fail(
      'log matching',
      `at ${index} ${filed.by} had ${show(filed)} after term ${filed.previousTerm}, and ${node} has ${show(entry)} after term ${previousTerm}`,
    );
  }

  #commitMoved(node: string, seen: Seen): void {
    const { view } = seen;
    if (view.commitIndex < seen.commitIndex) {
      this.#fail(
        'the commit index never decreases',
        `${node} went from ${seen.commitIndex} to ${view.commitIndex}`,
      );
    }
    // What comes of it when it is not so takes three elections in the one wrong order; so it is asked here.
    if (seen.role === 'leader' && view.termAt(view.commitIndex) !== view.term) {
      this.#fail(
        'a leader commits with an entry of its own term',
        `${node}, leader of term ${view.term}, commits up to ${view.commitIndex} of term ${String(view.termAt(view.commitIndex))}`,
      );
    }
    for (let index = seen.commitIndex + 1; index <= view.commitIndex; index++) {
      const term = index < view.firstIndex ? seen.terms[index] : view.termAt(index);
      if (term === undefined)
        return this.#fail('what is committed is in the log', `${node} lacks entry ${index}`);
      const known = this.#committed[index];
      if (known === undefined) this.#commit(node, index, term, seen);
      else if (known.term !== term) {
        this.#fail(
          'state machine safety',
          `entry ${index} is committed with term ${known.term}, and by ${node} with term ${term}`,
        );
      }
    }
    seen.commitIndex = view.commitIndex;
  }

  #commit(node: string, index: number, term: number, seen: Seen): void {
    const { view, configuration, logged, loggedBefore } = seen;
    this.#committed[index] = { term, byTerm: view.term };
    const filed = this.#filed.get(index)?.get(term);
    const configured = filed === undefined ? null : configurationIn(index, filed);
    if (configured !== null) this.#committedConfigurations.push(configured);
    this.#world.counters.add('commits');
    this.#laterLeadersHave(node, index, term, view.term);
    const holders = this.#quorumLog.holdersOf(index, term);
    // Who commits a configuration may begin the next one within the same step.
    const isAsItSays = [configuration, view.configuration].some((voters) => isMajority(voters, holders));
    const under = [loggedBefore, logged.latest].filter(({ voters }) => isMajority(voters, holders));
    this.#quorumLog.committed({ by: node, index, term, under });
    if (isAsItSays && under.length > 0) return;
    this.#fail(
      'committed is durable',
      `${node} calls entry ${index} of term ${term} committed, which is on the disks of ${holders.join(', ') || 'nobody'} only`,
    );
  }

  /** Leaders that were elected before the entry was called committed: their elections were looked at when nobody had called it so. */
  #laterLeadersHave(by: string, index: number, term: number, byTerm: number): void {
    for (const [node, { view }] of this.#seen) {
      if (view.role !== 'leader' || view.term <= byTerm || index < view.firstIndex) continue;
      if (view.termAt(index) === term) continue;
      this.#fail(
        'leader completeness',
        `${by} calls entry ${index} of term ${term} committed in term ${byTerm}, and ${node}, leader of term ${view.term}, has ${String(view.termAt(index))} there`,
      );
    }
  }

  /** What a leader puts in the place of a configuration: a step that keeps majorities overlapping, and only after that is committed. */
  #configurationMoved(node: string, seen: Seen): void {
    const { view, configuration: before, configurationIndex } = seen;
    const { configuration: after } = view;
    seen.configuration = after;
    seen.configurationIndex = view.configurationIndex;
    if (seen.role !== 'leader' || view.configurationIndex < configurationIndex) return;
    this.#world.counters.add('configurations');
    if (after.outgoing.length > 0) this.#world.counters.add('jointConfigurations');
    if (before.voters.includes(node) && !after.voters.includes(node))
      this.#world.counters.add('leadersLeaving');
    if (before.staging?.some((learner) => after.voters.includes(learner)) ?? false)
      this.#world.counters.add('promotions');
    if (configurationIndex > view.commitIndex) {
      this.#fail(
        'configuration safety',
        `${node} begins one at ${view.configurationIndex} while that at ${configurationIndex} is not committed`,
      );
    }
    if (isStep(before, after)) return;
    this.#fail('configuration safety', `${node} goes from ${showVoters(before)} to ${showVoters(after)}`);
  }

  #fail(invariant: string, detail: string): void {
    this.#world.fail(invariant, this.#where + detail);
  }
}

const sameVoters = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((voter) => b.includes(voter));

/** One voter at most at once, or into a joint configuration with those before, or out of it (thesis 4.1, 4.3). */
function isStep(before: VotersView, after: VotersView): boolean {
  if (before.outgoing.length > 0) {
    return after.outgoing.length === 0 && sameVoters(before.voters, after.voters);
  }
  if (after.outgoing.length > 0) return sameVoters(before.voters, after.outgoing);
  const without = (a: readonly string[], b: readonly string[]): number =>
    a.filter((voter) => !b.includes(voter)).length;
  return without(before.voters, after.voters) + without(after.voters, before.voters) <= 1;
}

const showVoters = ({ voters, outgoing }: VotersView): string =>
  [voters, outgoing].map((half) => `{${half.join(' ')}}`).join(' and ');

const sameEntry = (a: EntryView, b: EntryView): boolean =>
  a.term === b.term && a.kind === b.kind && sameBytes(a.command, b.command);

const show = ({ term, kind, command }: EntryView): string =>
  `${kind} ${describeCommand(command)} of term ${term}`;
