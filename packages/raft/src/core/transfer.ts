/**
 * Handing the lead over (thesis 3.10): wait until the other has the whole log, then tell it to stand at once.
 *
 * The role machine decides how long that may take, and holds proposals meanwhile. Who asked is told at the end what came of it, which
 * may be after this node's own lead has ended.
 */
import type { Shared } from './state.ts';
import type { RaftOut } from './inputs-and-effects.ts';
import type { TransferOutcome } from './types.ts';

interface Transfer {
  readonly ref: number;
  readonly to: string;
  /** The term that is to end. */
  readonly term: number;
  /** The other has been told to stand. */
  told: boolean;
}

const timer = 'transfer';

export class Transfers {
  readonly #shared: Shared;
  readonly #matchOf: (peer: string) => number;
  readonly #giveUpLease: () => void;
  #transfer: Transfer | null = null;

  /**
   * @param matchOf how far a follower's log agrees with this leader's.
   * @param giveUpLease before another is told to stand.
   */
  constructor(shared: Shared, matchOf: (peer: string) => number, giveUpLease: () => void) {
    this.#shared = shared;
    this.#matchOf = matchOf;
    this.#giveUpLease = giveUpLease;
  }

  /** @returns whether a transfer begins. */
  ask(ref: number, to: string, timeoutMs: number, out: RaftOut): boolean {
    const { isLeader, config, membership, term } = this.#shared;
    const refuse = (outcome: TransferOutcome): false => {
      out.emit({ type: 'transferred', ref, outcome });
      return false;
    };
    if (!isLeader) return refuse('notLeader');
    if (to === config.nodeId) return refuse('done');
    if (!membership.configuration.voters.includes(to)) return refuse('targetUnknown');
    if (this.#transfer !== null) return refuse('underWay');
    this.#transfer = { ref, to, term, told: false };
    out.emit({ type: 'setTimer', timer, delayMs: timeoutMs });
    return true;
  }

  /** After every input. */
  advance(out: RaftOut): void {
    const transfer = this.#transfer;
    if (transfer === null) return;
    const { term, leaderId, log } = this.#shared;
    if (term !== transfer.term) {
      if (leaderId !== null) this.#end(leaderId === transfer.to ? 'done' : 'failed', out);
    } else if (!transfer.told && this.#matchOf(transfer.to) === log.lastIndex) {
      transfer.told = true;
      this.repeat(out);
    }
  }

  /** With every heartbeat, lest it was lost. */
  repeat(out: RaftOut): void {
    const { term } = this.#shared;
    if (!this.#transfer?.told) return;
    this.#giveUpLease();
    this.#shared.send(out, this.#transfer.to, { type: 'timeoutNow', term });
  }

  /** It took too long: this node leads on. */
  giveUp(out: RaftOut): void {
    this.#end('failed', out);
  }

  /** Who asked waits no longer; the transfer goes on. */
  abandon(ref: number, out: RaftOut): void {
    if (this.#transfer?.ref === ref) out.emit({ type: 'transferred', ref, outcome: 'abandoned' });
  }

  fire(fired: string, out: RaftOut): boolean {
    if (fired !== timer) return false;
    this.#end('failed', out);
    return true;
  }

  #end(outcome: TransferOutcome, out: RaftOut): void {
    if (this.#transfer === null) return;
    out.emit({ type: 'transferred', ref: this.#transfer.ref, outcome });
    out.emit({ type: 'cancelTimer', timer });
    this.#transfer = null;
  }

  checkpoint(): Transfer | null {
    return this.#transfer && { ...this.#transfer };
  }

  restore(transfer: Transfer | null): void {
    this.#transfer = transfer && { ...transfer };
  }
}
