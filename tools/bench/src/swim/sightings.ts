/** Who has seen what of whom and when: the same account of a pool of ours and of one of Serf's. */
export type SightingKind = 'alive' | 'suspect' | 'dead' | 'left';

export interface Sighting {
  readonly observer: string;
  readonly member: string;
  readonly kind: SightingKind;
  /** Wall clock, for it is compared between processes. */
  readonly atMs: number;
}

export const wallMs = (): number => performance.timeOrigin + performance.now();

/** Times of a member's death as its survivors saw it; null: not seen (yet). */
export interface Detection {
  readonly firstSuspectMs: number | null;
  readonly firstDeadMs: number | null;
  readonly allDeadMs: number | null;
}

export class Sightings {
  readonly #all: Sighting[] = [];
  /** What each observer holds for true of each member; who was never heard of is not in it. */
  readonly #views = new Map<string, Map<string, SightingKind>>();

  add(sighting: Sighting): void {
    this.#all.push(sighting);
    const { observer, member, kind } = sighting;
    // An agent of Serf's does not say when a suspicion has ended well, so suspects count as before.
    if (kind === 'suspect') return;
    const view = this.#views.get(observer) ?? new Map<string, SightingKind>();
    this.#views.set(observer, view.set(member, kind));
  }

  /** An observer that starts afresh knows nobody. */
  forget(observer: string): void {
    this.#views.delete(observer);
  }

  since(atMs: number): readonly Sighting[] {
    return this.#all.filter((sighting) => sighting.atMs >= atMs);
  }

  /** Whether all these observers hold all these members for alive. */
  agreeAlive(observers: readonly string[], members: readonly string[]): boolean {
    return observers.every((observer) => {
      const view = this.#views.get(observer);
      return members.every((member) => member === observer || view?.get(member) === 'alive');
    });
  }

  /** How many pairs are not seen alive, for those who want to know what is missing. */
  missing(observers: readonly string[], members: readonly string[]): number {
    const isMissing = (observer: string, member: string): boolean =>
      member !== observer && this.#views.get(observer)?.get(member) !== 'alive';
    return observers.reduce(
      (sum, observer) => sum + members.filter((member) => isMissing(observer, member)).length,
      0,
    );
  }

  /** When the last of the observers came to hold each of the members for alive, of changes after `fromMs`. */
  lastAliveMs(observers: readonly string[], fromMs: number): number {
    const known = new Set(observers);
    const times = this.since(fromMs)
      .filter(({ observer, kind }) => kind === 'alive' && known.has(observer))
      .map(({ atMs }) => atMs);
    return times.length === 0 ? fromMs : Math.max(...times);
  }

  detection(member: string, observers: readonly string[], killedMs: number): Detection {
    const after = this.since(killedMs).filter((sighting) => sighting.member === member);
    const first = (kind: SightingKind): number | null => {
      const found = after.filter((sighting) => sighting.kind === kind);
      return found.length === 0 ? null : Math.min(...found.map(({ atMs }) => atMs)) - killedMs;
    };
    const deaths = observers.map((observer) =>
      after.find((sighting) => sighting.observer === observer && sighting.kind === 'dead'),
    );
    const isAgreed = deaths.every((death) => death !== undefined);
    const allDeadMs = isAgreed ? Math.max(...deaths.map((death) => death?.atMs ?? 0)) - killedMs : null;
    return { firstSuspectMs: first('suspect'), firstDeadMs: first('dead'), allDeadMs };
  }
}
