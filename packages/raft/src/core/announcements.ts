/** Tells the outside of changes of role and leader, each once. */
import type { Shared } from './state.ts';
import type { RaftOut } from './inputs-and-effects.ts';
import type { Role } from './types.ts';

export interface Told {
  readonly role: Role;
  readonly leaderId: string | null;
  /** The term of that leader. */
  readonly term: number;
}

export class Announcements {
  readonly #shared: Shared;
  #told: Told = { role: 'follower', leaderId: null, term: 0 };

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  /** @returns whether there is a leader now that was not there before. */
  tell(out: RaftOut): boolean {
    const { role, leaderId, term } = this.#shared;
    const before = this.#told;
    const isSameLeader = leaderId === before.leaderId && (leaderId === null || term === before.term);
    if (role === before.role && isSameLeader) return false;
    this.#told = { role, leaderId, term };
    if (role !== before.role) out.emit({ type: 'roleChanged', role, term });
    if (isSameLeader) return false;
    out.emit({ type: 'leaderChanged', leaderId, term });
    return leaderId !== null;
  }

  checkpoint(): Told {
    return this.#told;
  }

  restore(told: Told): void {
    this.#told = told;
  }
}
