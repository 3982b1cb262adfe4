/** Members change under fire: nodes are added, demoted, removed and added again, one or several at once, by whoever leads. */
import type { World } from '@cluster/sim';
import type { MemberKind, RaftReplica, Transition } from '@cluster/raft';

const everyMs = 350;
const againMs = 50;
const kinds: readonly MemberKind[] = ['voter', 'voter', 'staged', 'learner', 'removed'];
const transitions: readonly Transition[] = ['auto', 'auto', 'auto', 'joint', 'explicit', 'leave'];

export class Churn {
  readonly #world: World;
  readonly #nodes: readonly string[];
  readonly #replicas: ReadonlyMap<string, RaftReplica>;
  readonly #leader: () => RaftReplica | undefined;
  #askedMs = 0;

  constructor(
    world: World,
    nodes: readonly string[],
    replicas: ReadonlyMap<string, RaftReplica>,
    leader: () => RaftReplica | undefined,
  ) {
    this.#world = world;
    this.#nodes = nodes;
    this.#replicas = replicas;
    this.#leader = leader;
  }

  begin(untilMs: number): void {
    const world = this.#world;
    const { prng } = world;
    world.after(prng.exponential(everyMs), () => {
      if (world.nowMs > untilMs) return;
      const transition = prng.pick(transitions) ?? 'auto';
      const count = prng.between(1, 3);
      const changes = Array.from({ length: count }, () => ({
        nodeId: prng.pick(this.#nodes) ?? '',
        becomes: prng.pick(kinds) ?? 'voter',
      }));
      const replica = this.#leader();
      replica?.changeMembers(
        transition === 'leave' ? [] : changes,
        (outcome) => {
          if (!outcome.ok) world.counters.add('changesRefused');
          else if (replica.core.configuration.learners.length > 0) world.counters.add('learners');
        },
        { transition },
      );
      this.begin(untilMs);
    });
  }

  /**
   * Whether those that the leader's members leave out have given up asking these for votes, whatever they were told of their removal.
   * Who was cut off while everybody it knew was replaced asks none of them: nobody is disturbed, and nobody can tell it.
   */
  get outsidersRest(): boolean {
    // Not drawn: a look must not change what happens next.
    const cores = [...this.#replicas.values()].map(({ core }) => core);
    const [leader] = cores
      .filter(({ role }) => role === 'leader')
      .toSorted((a, b) => b.currentTerm - a.currentTerm);
    if (leader === undefined || leader.configurationIndex > leader.commitIndex) return false;
    const { voters, outgoing, learners } = leader.configuration;
    const members = new Set([...voters, ...outgoing, ...learners]);
    const asksMembers = ({ configuration: { voters: known, outgoing: before } }: typeof leader): boolean =>
      [...known, ...before].some((id) => members.has(id));
    return [...this.#replicas].every(
      ([node, { core }]) => members.has(node) || core.role === 'learner' || !asksMembers(core),
    );
  }

  /** Everybody is a voter again: nobody may rest on old news of its removal. */
  checkSilenced(): void {
    for (const [node, { core }] of this.#replicas)
      if (core.isLeftOut || core.role === 'learner')
        this.#world.fail('every voter may stand', `${node} is a ${core.role}, left out: ${core.isLeftOut}`);
  }

  /** Has the leader make everybody a voter again. @returns whether all are, and agreed on. */
  restores(): boolean {
    const replica = this.#leader();
    if (replica === undefined) return false;
    const { configuration, configurationIndex, commitIndex, currentTerm, log } = replica.core;
    // Before that, another may be on its way to the lead whose log holds a change that this one has not heard of.
    if (log.termAt(commitIndex) !== currentTerm) return false;
    const { voters, outgoing } = configuration;
    const isWhole = voters.length === this.#nodes.length && outgoing.length === 0;
    if (isWhole && configurationIndex <= commitIndex) return true;
    if (this.#world.nowMs < this.#askedMs + againMs) return false;
    this.#askedMs = this.#world.nowMs;
    const missing = this.#nodes.filter((node) => !voters.includes(node));
    const changes = missing.map((nodeId) => ({ nodeId, becomes: 'voter' as const }));
    const transition = outgoing.length > 0 ? 'leave' : 'auto';
    replica.changeMembers(transition === 'leave' ? [] : changes, () => undefined, { transition });
    return false;
  }
}
