/**
 * Holds what every member says of the others against SWIM's promises (SWIM 4.2): incarnations and the order of states at equal
 * incarnation. What a member believes is compared with what it believed before, and with what the other has really claimed.
 */
import type { Member, MemberState } from '@cluster/swim';
import type { World } from '@cluster/sim';

/** What can be seen of a running member. */
export interface MemberView {
  self(): Member;
  members(): readonly Member[];
}

interface Belief {
  readonly incarnation: number;
  readonly state: MemberState;
}

// At equal incarnation the later word wins only if it is worse; a goodbye, which only the member itself can say, is the last.
const rank: Readonly<Record<MemberState, number>> = { Alive: 0, Suspect: 1, Dead: 2, Left: 3 };

export class SwimChecker {
  readonly #world: World;
  readonly #membersMax: number;
  readonly #views = new Map<string, MemberView>();
  /** The highest incarnation that a member itself has ever had. */
  readonly #claimed = new Map<string, number>();
  readonly #beliefs = new Map<string, Map<string, Belief>>();
  #turn = 0;

  /** @param membersMax how many names there are at all. */
  constructor(world: World, membersMax: number) {
    this.#world = world;
    this.#membersMax = membersMax;
    world.onStep(() => this.#look());
  }

  /** @param keepsIncarnation over restarts, on its disk. */
  started(node: string, view: MemberView, keepsIncarnation: boolean): void {
    const { incarnation } = view.self();
    const before = this.#claimed.get(node) ?? 0;
    if (keepsIncarnation && incarnation <= before) {
      this.#world.fail(
        'a restarted member begins above its former life',
        `${node} had claimed ${before} and begins at ${incarnation}`,
      );
    }
    this.#views.set(node, view);
    this.#beliefs.set(node, new Map());
  }

  gone(node: string): void {
    this.#views.delete(node);
    this.#beliefs.delete(node);
  }

  /** A member was forgotten: whoever comes under its name is new. */
  reaped(observer: string, name: string): void {
    this.#beliefs.get(observer)?.delete(name);
  }

  /** One member says something of another, at once or when it is asked. */
  believes(observer: string, { name, incarnation, state }: Member): void {
    const beliefs = this.#beliefs.get(observer);
    if (beliefs === undefined) return;
    const before = beliefs.get(name);
    if (before !== undefined) {
      if (before.incarnation === incarnation && before.state === state) return;
      this.#compare(observer, name, before, { incarnation, state });
    }
    beliefs.set(name, { incarnation, state });
    const claimed = this.#claimed.get(name) ?? 0;
    if (incarnation > claimed && name !== observer) {
      this.#world.fail(
        'only a member raises its own incarnation',
        `${observer} knows ${name} at ${incarnation}, which itself never went above ${claimed}`,
      );
    }
  }

  #compare(observer: string, name: string, before: Belief, now: Belief): void {
    if (now.incarnation < before.incarnation) {
      this.#world.fail(
        'incarnations never decrease',
        `${observer} knew ${name} at ${before.incarnation} and now at ${now.incarnation}`,
      );
    }
    if (now.incarnation > before.incarnation || rank[now.state] >= rank[before.state]) return;
    this.#world.fail(
      'nobody returns without a higher incarnation',
      `${observer} had ${name} ${before.state} and has it ${now.state} at the same incarnation ${now.incarnation}`,
    );
  }

  /** Own claims are read after every event, what members say of others in turn. */
  #look(): void {
    let count = 0;
    let observer: string | undefined;
    const turn = this.#turn++ % Math.max(1, this.#views.size);
    for (const [node, view] of this.#views) {
      const { incarnation } = view.self();
      if (incarnation > (this.#claimed.get(node) ?? 0)) this.#claimed.set(node, incarnation);
      if (count++ === turn) observer = node;
    }
    if (observer !== undefined) this.#scan(observer);
  }

  #scan(observer: string): void {
    const members = this.#views.get(observer)?.members() ?? [];
    if (members.length > this.#membersMax) {
      this.#world.fail(
        'the member table is bounded',
        `${observer} lists ${members.length} of ${this.#membersMax}`,
      );
    }
    for (const member of members) this.believes(observer, member);
  }
}
