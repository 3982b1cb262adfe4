/**
 * From a proposal to its answer, on whichever node it was made.
 *
 * A proposal waits for a leader, is put into the log (here, or by the leader it is forwarded to), and is answered when its place
 * in the log is applied. Forwarding again within a term is harmless, the leader knows what it has taken; after a change of leader
 * only what is harmless twice (a session's command, a barrier, an opening) is proposed again by itself.
 */
import { Prng, type Sink } from '@cluster/core';
import { inMessages } from './forwarding.ts';
import { entryBytes } from './log.ts';
import { Origins, type OriginsCheckpoint } from './origins.ts';
import { Places, type Waiter } from './places.ts';
import type { Shared } from './state.ts';
import type { ForwardedDraft, Propose, Proposed } from './messages.ts';
import type { RaftEffect } from './inputs-and-effects.ts';
import type { Answer, Draft, Entry, Proposal, Verdict } from './types.ts';

type Out = Sink<RaftEffect>;

interface Pending extends Draft {
  readonly ref: number;
  readonly deadlineMs: number;
  /** `agreed`: a barrier whose index is known and not yet applied here. */
  at: 'waiting' | 'forwarded' | 'logged' | 'agreed';
  submitted: boolean;
  term: number;
  index: number;
  sentMs: number;
}

export interface ProposalsCheckpoint {
  readonly boot: number;
  readonly pending: readonly Pending[];
  readonly waiters: readonly Waiter[];
  readonly appliedTerm: number;
  readonly origins: OriginsCheckpoint;
  readonly held: readonly { readonly from: string; readonly message: Propose }[];
  readonly wasHolding: boolean;
}

const sweepTimer = 'proposals';
// A boot id only has to differ from that of the incarnation before.
const bootIds = 2 ** 32;

export class Proposals {
  readonly #shared: Shared;
  readonly #lead: (entries: readonly Entry[], out: Out) => void;
  readonly #pending = new Map<number, Pending>();
  readonly #places = new Places();
  // Barriers whose place is known and not applied here yet.
  readonly #agreed = new Set<Pending>();
  readonly #origins: Origins;
  #boot = 0;
  // Term of the latest entry applied.
  #appliedTerm = 0;
  #sweeping = false;
  // What peers forwarded while the lead was being handed over.
  #held: { readonly from: string; readonly message: Propose }[] = [];
  #heldDrafts = 0;
  // Something waits for the end of that.
  #wasHolding = false;
  // To be made again within the input that says so; empty between inputs.
  readonly #dropped: Pending[] = [];

  /** @param lead puts entries behind the leader's log. */
  constructor(shared: Shared, lead: (entries: readonly Entry[], out: Out) => void) {
    this.#shared = shared;
    this.#lead = lead;
    this.#origins = new Origins(shared.config.pendingProposalsMax);
  }

  get size(): number {
    return this.#pending.size;
  }

  /** @param seed differs between incarnations, so that the leader does not take one's proposals for another's. */
  start(seed: number, term: number, appliedTerm: number): void {
    this.#boot = Prng.fromSeed(seed, 'boot').below(bootIds);
    this.#origins.start(term);
    this.#appliedTerm = appliedTerm;
  }

  propose(proposals: readonly Proposal[], nowMs: number, out: Out): void {
    const taken: Pending[] = [];
    for (const { ref, kind, session, command, timeoutMs } of proposals) {
      if (this.#pending.size >= this.#shared.config.pendingProposalsMax) {
        out.emit({ type: 'respond', ref, answer: { status: 'tooManyPending', submitted: false } });
        continue;
      }
      const pending: Pending = {
        ref,
        kind,
        session,
        command,
        deadlineMs: nowMs + timeoutMs,
        at: 'waiting',
        submitted: false,
        term: 0,
        index: 0,
        sentMs: nowMs,
      };
      this.#pending.set(ref, pending);
      taken.push(pending);
    }
    this.#submit(taken, nowMs, out);
    this.#arm(out);
  }

  abandon(ref: number, out: Out): void {
    const pending = this.#pending.get(ref);
    if (pending !== undefined)
      this.#answer(pending, { status: 'abandoned', submitted: pending.submitted }, out);
  }

  /** A leader is known now, perhaps this node. */
  leaderFound(nowMs: number, out: Out): void {
    const { term, isLeader } = this.#shared;
    if (isLeader) this.#origins.lead(term);
    const again: Pending[] = [];
    for (const pending of this.#pending.values()) {
      if (pending.at === 'waiting') again.push(pending);
      else if (pending.at === 'forwarded' && pending.term !== term) {
        if (isHarmlessTwice(pending)) again.push(pending);
        else this.#answer(pending, { status: 'unknown', submitted: true }, out);
      }
    }
    this.#submit(again, nowMs, out);
  }

  /** Proposals that a peer forwards. */
  forwarded(from: string, message: Propose, out: Out): void {
    const { term, boot, drafts } = message;
    const shared = this.#shared;
    if (shared.holdsProposals) return this.#hold(from, message);
    if (!shared.isLeader || term !== shared.term) {
      for (const { ref } of drafts) {
        const verdict = this.#origins.afterwards(from, boot, ref, term);
        if (verdict !== null) this.#tell(from, boot, ref, term, verdict, out);
      }
      return;
    }
    const fresh: ForwardedDraft[] = [];
    for (const draft of drafts) {
      const known = this.#origins.note(from, boot, draft.ref);
      if (known === 'fresh') fresh.push(draft);
      else if (known !== null) this.#tell(from, boot, draft.ref, term, known, out);
    }
    // For good: told that it was not taken, its caller may make it anew under another ref, and this one may come twice.
    const refuse = ({ ref }: ForwardedDraft): void => {
      this.#origins.decide(from, boot, ref, { status: 'busy' });
      this.#tell(from, boot, ref, term, { status: 'busy' }, out);
    };
    const logged = ({ ref }: ForwardedDraft, index: number): void =>
      this.#places.add({ index, term, node: from, boot, ref });
    this.#log(fresh, refuse, logged, out);
  }

  /** After every input: the lead has been handed over, or was not, and what was held meanwhile is judged or taken. */
  resume(nowMs: number, out: Out): void {
    if (this.#shared.holdsProposals || !this.#wasHolding) return;
    this.#wasHolding = false;
    const held = this.#held;
    this.#held = [];
    this.#heldDrafts = 0;
    for (const { from, message } of held) this.forwarded(from, message, out);
    this.#submit(
      [...this.#pending.values()].filter(({ at }) => at === 'waiting'),
      nowMs,
      out,
    );
  }

  /** Beyond the bound it is dropped: its sender asks again. */
  #hold(from: string, message: Propose): void {
    this.#wasHolding = true;
    this.#heldDrafts += message.drafts.length;
    if (this.#heldDrafts <= this.#shared.config.pendingProposalsMax) this.#held.push({ from, message });
  }

  /** The leader's verdict on a proposal of this node. */
  proposed({ boot, ref, asked, verdict }: Proposed, appliedIndex: number, nowMs: number, out: Out): void {
    const pending = this.#pending.get(ref);
    if (boot !== this.#boot || pending?.at !== 'forwarded') return;
    // A refusal by an earlier leader says nothing of what the present one does.
    if (verdict.status !== 'applied' && asked !== pending.term) return;
    this.#conclude(pending, verdict, appliedIndex, out);
    this.#startAgain(nowMs, out);
  }

  /** Whether `settle` has anything to do: a replay of the log concerns nobody. */
  isAwaited({ index, term }: Entry): boolean {
    return term > this.#appliedTerm || this.#places.has(index, term);
  }

  /** The verdict on an index of the log, as it is applied here. */
  settle({ index, term }: Entry, verdict: Verdict, out: Out): void {
    const waiter = this.#places.take(index, term);
    if (waiter !== undefined) this.#pass(waiter, verdict, out);
    if (term <= this.#appliedTerm) return;
    this.#appliedTerm = term;
    for (const lost of this.#places.takeBefore(term)) this.#pass(lost, { status: 'dropped' }, out);
  }

  /** A snapshot has taken the place of the entries up to (index, term): what became of each of them is not known here. */
  skipped(index: number, term: number, nowMs: number, out: Out): void {
    for (const passed of this.#places.takeUpTo(index)) this.#pass(passed, { status: 'unknown' }, out);
    if (term > this.#appliedTerm) {
      this.#appliedTerm = term;
      for (const lost of this.#places.takeBefore(term)) this.#pass(lost, { status: 'dropped' }, out);
    }
    this.applied(index, nowMs, out);
  }

  /** A batch has been applied: barriers up to here are through, and what was dropped starts again. */
  applied(appliedIndex: number, nowMs: number, out: Out): void {
    for (const pending of this.#agreed) if (pending.index <= appliedIndex) this.#through(pending, out);
    this.#startAgain(nowMs, out);
  }

  fire(timer: string, nowMs: number, out: Out): boolean {
    if (timer !== sweepTimer) return false;
    this.#sweeping = false;
    const again: Pending[] = [];
    for (const pending of this.#pending.values()) {
      if (pending.deadlineMs <= nowMs) {
        this.#answer(pending, { status: 'timeout', submitted: pending.submitted }, out);
      } else if (this.#isStale(pending, nowMs)) again.push(pending);
    }
    this.#submit(again, nowMs, out);
    this.#arm(out);
    return true;
  }

  /** Waiting though a leader may be known, or sent so long ago that the message or its answer may be lost. */
  #isStale({ at, sentMs }: Pending, nowMs: number): boolean {
    return (
      (at === 'waiting' || at === 'forwarded') && nowMs - sentMs >= this.#shared.config.electionTimeoutMinMs
    );
  }

  #submit(proposals: readonly Pending[], nowMs: number, out: Out): void {
    if (proposals.length === 0) return;
    const { isLeader, leaderId, term, holdsProposals } = this.#shared;
    this.#wasHolding ||= holdsProposals;
    if (holdsProposals) return;
    if (isLeader) {
      const refuse = (pending: Pending): void =>
        this.#answer(pending, { status: 'busy', submitted: pending.submitted }, out);
      this.#log(
        proposals,
        refuse,
        (pending, index) => {
          Object.assign(pending, { at: 'logged', submitted: true, term, index });
          this.#places.add({ index, term, node: null, boot: this.#boot, ref: pending.ref });
        },
        out,
      );
      return;
    }
    if (leaderId === null) return;
    for (const pending of proposals) {
      Object.assign(pending, { at: 'forwarded', submitted: true, term, sentMs: nowMs });
    }
    this.#forward(leaderId, proposals, out);
  }

  #forward(to: string, proposals: readonly Pending[], out: Out): void {
    const { term, config } = this.#shared;
    for (const drafts of inMessages(proposals, config.appendBytesMax))
      this.#shared.send(out, to, { type: 'propose', term, boot: this.#boot, drafts });
  }

  /** Puts drafts into the leader's log as far as the cap on what is not committed allows. */
  #log<D extends Draft>(
    drafts: readonly D[],
    refuse: (draft: D) => void,
    logged: (draft: D, index: number) => void,
    out: Out,
  ): void {
    const { log, commitIndex, term, config } = this.#shared;
    let uncommitted = log.bytesAfter(commitIndex);
    const entries: Entry[] = [];
    const first = log.lastIndex + 1;
    for (const draft of drafts) {
      const size = entryBytes(draft);
      // With nothing under way even a command above the cap gets through.
      if (uncommitted > 0 && uncommitted + size > config.uncommittedBytesMax) {
        refuse(draft);
        continue;
      }
      uncommitted += size;
      const index = first + entries.length;
      const { kind, session, command } = draft;
      entries.push({ index, term, kind, session, command });
      logged(draft, index);
    }
    if (entries.length > 0) this.#lead(entries, out);
  }

  #startAgain(nowMs: number, out: Out): void {
    if (this.#dropped.length > 0) this.#submit(this.#dropped.splice(0), nowMs, out);
  }

  #pass({ node, boot, ref, term }: Waiter, verdict: Verdict, out: Out): void {
    if (node !== null) {
      this.#origins.decide(node, boot, ref, verdict);
      this.#tell(node, boot, ref, term, verdict, out);
      return;
    }
    const pending = this.#pending.get(ref);
    if (pending?.at === 'logged') this.#conclude(pending, verdict, Infinity, out);
  }

  #conclude(pending: Pending, verdict: Verdict, appliedIndex: number, out: Out): void {
    switch (verdict.status) {
      case 'applied':
        Object.assign(pending, { at: 'agreed', index: verdict.index, term: verdict.term });
        if (pending.kind !== 'barrier') this.#answer(pending, verdict, out);
        else if (verdict.index <= appliedIndex) this.#through(pending, out);
        else this.#agreed.add(pending);
        return;
      case 'dropped':
      case 'notLeader':
        // Certainly not in the log: it waits for the next occasion, which for a dropped one is now.
        pending.at = 'waiting';
        pending.submitted = false;
        if (verdict.status === 'dropped') this.#dropped.push(pending);
        return;
      case 'busy':
      case 'unknown':
      case 'sessionExpired':
      case 'sequenceTooOld':
        this.#answer(pending, { status: verdict.status, submitted: true }, out);
    }
  }

  #through(pending: Pending, out: Out): void {
    const { index, term } = pending;
    this.#answer(pending, { status: 'applied', index, term, result: new Uint8Array(0) }, out);
  }

  #answer(pending: Pending, answer: Answer, out: Out): void {
    this.#pending.delete(pending.ref);
    this.#agreed.delete(pending);
    out.emit({ type: 'respond', ref: pending.ref, answer });
  }

  #tell(to: string, boot: number, ref: number, asked: number, verdict: Verdict, out: Out): void {
    this.#shared.send(out, to, { type: 'proposed', term: this.#shared.term, boot, ref, asked, verdict });
  }

  #arm(out: Out): void {
    if (this.#sweeping || this.#pending.size === 0) return;
    this.#sweeping = true;
    out.emit({ type: 'setTimer', timer: sweepTimer, delayMs: this.#shared.config.heartbeatMs });
  }

  checkpoint(): ProposalsCheckpoint & { readonly sweeping: boolean } {
    return {
      boot: this.#boot,
      pending: [...this.#pending.values()].map((pending) => ({ ...pending })),
      waiters: this.#places.checkpoint(),
      appliedTerm: this.#appliedTerm,
      origins: this.#origins.checkpoint(),
      held: [...this.#held],
      wasHolding: this.#wasHolding,
      sweeping: this.#sweeping,
    };
  }

  restore(from: ProposalsCheckpoint & { readonly sweeping: boolean }): void {
    this.#boot = from.boot;
    this.#appliedTerm = from.appliedTerm;
    this.#sweeping = from.sweeping;
    this.#pending.clear();
    this.#agreed.clear();
    for (const saved of from.pending) {
      const pending = { ...saved };
      this.#pending.set(pending.ref, pending);
      if (pending.at === 'agreed') this.#agreed.add(pending);
    }
    this.#places.restore(from.waiters);
    this.#origins.restore(from.origins);
    this.#held = [...from.held];
    this.#wasHolding = from.wasHolding;
    this.#heldDrafts = from.held.reduce((sum, { message }) => sum + message.drafts.length, 0);
  }
}

const isHarmlessTwice = ({ kind, session }: Pending): boolean => kind !== 'command' || session !== null;
