/** The other members: a row of columns for each, and its state in the machine table, which decides what is believed. */
import {
  type ActionOf,
  type Address,
  MachineTable,
  type Sink,
  Stepper,
  type TableCheckpoint,
} from '@cluster/core';
import type { MemberEventType } from '../member.ts';
import type { MemberRecord, SwimEffect } from './effects.ts';
import { type MemberEvent, memberMachine } from './member.machine.ts';
import {
  type Alive,
  bytesEqual,
  type Claim,
  type Dead,
  type PeerRecord,
  type PeerState,
  type RejectReason,
  sameAddress,
  type Suspect,
} from './messages.ts';
import { incarnationMax } from './incarnation.ts';
import { type MemberData, type MemberRow, MemberTable } from './member-table.ts';
import { Forgotten, type ForgottenCheckpoint } from './forgotten.ts';
import type { Pool } from './pool.ts';
import { RoundRobin, type RoundRobinCheckpoint } from './round-robin.ts';
import { versionsAgree } from './versions.ts';
import { confirm, remainingMs, type Suspicion, suspicionBounds } from './suspicion.ts';

export interface MembershipCheckpoint {
  readonly rows: readonly MemberData[];
  readonly states: TableCheckpoint;
  readonly order: RoundRobinCheckpoint;
  readonly forgotten: ForgottenCheckpoint;
  readonly lastReturnMs: number;
}

type Out = Sink<SwimEffect>;

/** Where a member was that has left, while `claim` says that it is elsewhere. */
export interface OldPlace {
  readonly address: Address;
  /** When it left: with another one it has been back meanwhile. */
  readonly incarnation: number;
  readonly claim: Alive;
}

export interface MembershipParts {
  readonly spread: (claim: Claim, out: Out) => void;
  /** Answered by `oldPlaceAsked`. @returns whether it was not being asked already. */
  readonly askOldPlace: (place: OldPlace, nowMs: number, out: Out) => boolean;
}

type MemberAction = ActionOf<typeof memberMachine>;

const stepper = new Stepper(memberMachine);

export class Membership {
  readonly order = new RoundRobin();
  readonly forgotten = new Forgotten();
  /** When somebody last came back from the dead. */
  lastReturnMs = -Infinity;
  readonly #pool: Pool;
  readonly #parts: MembershipParts;
  readonly #rows: MemberTable;
  readonly #states: MachineTable<typeof memberMachine, SwimEffect>;
  readonly #counts: Record<PeerState, number> = { alive: 0, suspect: 0, dead: 0, left: 0 };

  constructor(pool: Pool, parts: MembershipParts) {
    this.#pool = pool;
    this.#parts = parts;
    this.#rows = new MemberTable(pool.options.seed);
    this.#states = new MachineTable(
      'member',
      stepper,
      (name, action, nowMs, out) => this.#perform(this.row(name), action, nowMs, out),
      this.#rows.codes,
    );
  }

  /** By state, ourselves not counted. */
  get counts(): Readonly<Record<PeerState, number>> {
    return this.#counts;
  }

  /** Alive and suspect, with ourselves: the n of every formula. */
  get size(): number {
    return this.#counts.alive + this.#counts.suspect + 1;
  }

  rows(): IterableIterator<MemberRow> {
    return this.#rows.rows();
  }

  /** Valid until one is forgotten. */
  find(name: string): MemberRow | undefined {
    return this.#rows.find(name);
  }

  row(name: string): MemberRow {
    return this.#rows.find(name) as MemberRow;
  }

  isIn(name: string, ...states: readonly PeerState[]): boolean {
    const row = this.#rows.find(name);
    return row !== undefined && states.includes(row.state);
  }

  /** A claim about somebody else. @returns why it was refused unread, if it was. */
  hear(claim: Claim, nowMs: number, out: Out): RejectReason | undefined {
    const row = this.#rows.find(claim.node);
    const reason = this.#refusalOf(claim, row);
    if (reason !== undefined) return reason;
    if (row === undefined) {
      if (claim.type === 'alive') return this.#admit(claim, nowMs, out);
      // Word of a stranger's death is no news: it would only bring the forgotten back. Who has left need not be looked for.
      if (claim.type === 'dead' && claim.from === claim.node) this.forgotten.remove(claim.node);
      return undefined;
    }
    if (!isOldNews(row, claim)) this.#states.send(claim.node, this.#eventOf(row, claim, nowMs), nowMs, out);
    return undefined;
  }

  /** On record as if heard of, and told to nobody. Who is on record already stays as it is. @returns why it was refused, if it was. */
  introduce(claim: Alive, nowMs: number, out: Out): RejectReason | undefined {
    if (this.#rows.find(claim.node) !== undefined) return undefined;
    return this.#refusalOf(claim, undefined) ?? this.#admit(claim, nowMs, out, false);
  }

  /** Our own probe of it failed, which began when this was its incarnation. */
  accuse(node: string, incarnation: number, nowMs: number, out: Out): void {
    this.hear({ type: 'suspect', incarnation, node, from: this.#pool.self.name }, nowMs, out);
  }

  /** The layer above knows that a death is a leave. */
  declareLeft(name: string, nowMs: number, out: Out): void {
    const incarnation = this.#rows.find(name)?.incarnation ?? 0;
    this.hear({ type: 'dead', incarnation, node: name, from: name }, nowMs, out);
  }

  /** Somebody has answered to its name there, or nobody. */
  oldPlaceAsked({ incarnation, claim }: OldPlace, isThere: boolean, nowMs: number, out: Out): void {
    if (this.#rows.find(claim.node)?.incarnation !== incarnation) return;
    const type = isThere ? 'OLD_PLACE_ANSWERED' : 'OLD_PLACE_SILENT';
    this.#states.send(claim.node, { type, claim }, nowMs, out);
  }

  seen(name: string, nowMs: number): void {
    const row = this.#rows.find(name);
    if (row !== undefined) row.lastSeenMs = nowMs;
  }

  /** Forgets those who have been gone long enough. */
  reap(nowMs: number, out: Out): void {
    const dueMs = nowMs - this.#pool.options.config.reapAfterMs;
    const isDue = ({ state, stateChangedMs }: MemberRow): boolean =>
      (state === 'dead' || state === 'left') && stateChangedMs <= dueMs;
    const names = [...this.#rows.rows()].filter(isDue).map(({ name }) => name);
    for (const name of names) this.#states.send(name, { type: 'REAP_DUE' }, nowMs, out);
  }

  fire(timer: string, nowMs: number, out: Out): boolean {
    return this.#states.fire(timer, nowMs, out);
  }

  records(): PeerRecord[] {
    return Array.from(this.#rows.rows(), ({ name, address, meta, incarnation, state, vsn }) => ({
      name,
      address,
      meta,
      incarnation,
      state,
      vsn,
    }));
  }

  checkpoint(): MembershipCheckpoint {
    return {
      rows: Array.from(this.#rows.rows(), (row) => row.data()),
      states: this.#states.checkpoint(),
      order: this.order.checkpoint(),
      forgotten: this.forgotten.checkpoint(),
      lastReturnMs: this.lastReturnMs,
    };
  }

  restore({ rows, states, order, forgotten, lastReturnMs }: MembershipCheckpoint): void {
    this.#rows.clear();
    Object.assign(this.#counts, { alive: 0, suspect: 0, dead: 0, left: 0 });
    for (const row of rows) {
      this.#rows.add(row);
      this.#counts[row.state]++;
    }
    this.#states.restore(states);
    this.order.restore(order);
    this.forgotten.restore(forgotten);
    this.lastReturnMs = lastReturnMs;
  }

  #refusalOf(claim: Claim, row: MemberRow | undefined): RejectReason | undefined {
    const { incarnationJumpMax } = this.#pool.options.config;
    const known = row?.incarnation ?? incarnationMax - 2 * incarnationJumpMax;
    if (claim.incarnation > known + incarnationJumpMax) return 'incarnation';
    // One that speaks what we do not would have every later push/pull refused.
    if (claim.type === 'alive' && !versionsAgree([this.#pool.self, claim])) return 'versions';
    return undefined;
  }

  #admit(claim: Alive, nowMs: number, out: Out, isNews = true): RejectReason | undefined {
    const { config } = this.#pool.options;
    if (this.#rows.size + 1 >= config.membersMax) return 'members';
    this.forgotten.remove(claim.node);
    const row = this.#rows.add({
      name: claim.node,
      address: claim.address,
      meta: this.#shared(claim.meta),
      vsn: claim.vsn,
      incarnation: claim.incarnation,
      state: 'alive',
      stateChangedMs: nowMs,
      lastSeenMs: nowMs,
      suspicion: null,
      rival: null,
    });
    this.#counts.alive++;
    this.#states.add(row.name, nowMs, out);
    this.order.insert(row.name, this.#pool.prng);
    if (isNews) this.#spread(claim, out);
    this.#notify('Joined', row, out);
    return undefined;
  }

  #eventOf(row: MemberRow, claim: Claim, nowMs: number): MemberEvent {
    const { config } = this.#pool.options;
    const known = row.incarnation;
    switch (claim.type) {
      case 'alive': {
        const reclaimable = nowMs - row.stateChangedMs >= config.nameReclaimMs;
        return {
          type: 'ALIVE_HEARD',
          claim,
          known,
          elsewhere: !sameAddress(row.address, claim.address),
          reclaimable,
        };
      }
      case 'suspect': {
        const fresh = this.#suspicionOf(claim, nowMs);
        const next = row.suspicion === null ? fresh : confirm(row.suspicion, claim.from);
        return {
          type: 'SUSPECT_HEARD',
          claim,
          known,
          isNewAccuser: next !== row.suspicion,
          timeoutMs: remainingMs(next, nowMs),
          freshTimeoutMs: remainingMs(fresh, nowMs),
        };
      }
      case 'dead':
        return { type: claim.from === claim.node ? 'LEFT_HEARD' : 'DEAD_HEARD', claim, known };
    }
  }

  #suspicionOf(claim: Suspect, nowMs: number): Suspicion {
    const bounds = suspicionBounds(this.#pool.options.config, this.size);
    return { startedAtMs: nowMs, bounds, accusers: [claim.from] };
  }

  #perform(row: MemberRow, action: MemberAction, nowMs: number, out: Out): void {
    switch (action.type) {
      case 'acceptAlive':
        return this.#acceptAlive(row, action.params.claim, action.params.notice, nowMs, out);
      case 'reportConflict':
        return this.#reportConflict(row, action.params.claim, out);
      case 'askOldPlace': {
        const { claim } = action.params;
        const isKnownRival = row.rival !== null && sameAddress(row.rival, claim.address);
        // Passed on unbelieved, so that all ask at the same time and not one after another.
        const { address, incarnation } = row;
        const isAsked = this.#parts.askOldPlace({ address, incarnation, claim }, nowMs, out);
        if (isAsked && !isKnownRival) this.#spread(claim, out);
        return;
      }
      case 'startSuspicion': {
        const { claim } = action.params;
        const isNews = row.state !== 'suspect';
        row.suspicion = this.#suspicionOf(claim, nowMs);
        row.incarnation = claim.incarnation;
        this.#enter(row, 'suspect', nowMs);
        this.#spread(claim, out);
        if (isNews) this.#notify('Suspect', row, out);
        return;
      }
      case 'confirmSuspicion': {
        const { claim } = action.params;
        if (row.suspicion !== null) row.suspicion = confirm(row.suspicion, claim.from);
        return this.#spread(claim, out);
      }
      case 'acceptDeath':
        return this.#bury(row, action.params.claim, 'dead', nowMs, out);
      case 'acceptLeave':
        return this.#bury(row, action.params.claim, 'left', nowMs, out);
      case 'declareDead': {
        const { name: node, incarnation } = row;
        return this.#bury(
          row,
          { type: 'dead', incarnation, node, from: this.#pool.self.name },
          'dead',
          nowMs,
          out,
        );
      }
      case 'forget':
        // Who has left comes back by itself; who is dead may be cut off, and know as little of us.
        if (row.state === 'dead')
          this.forgotten.add(row.name, row.address, this.#pool.options.config.forgottenMax);
        return this.#forget(row.data(), out);
    }
  }

  #forget(row: MemberData, out: Out): void {
    this.#counts[row.state]--;
    this.order.remove(row.name);
    this.#states.remove(row.name, out);
    this.#rows.remove(row.name);
    this.#notify('Reaped', row, out);
  }

  /** Most members of a pool have the tags that we have: they are kept once. */
  #shared(meta: Uint8Array): Uint8Array {
    const { self } = this.#pool;
    return bytesEqual(meta, self.meta) ? self.meta : meta;
  }

  #acceptAlive(row: MemberRow, claim: Alive, notice: MemberEventType, nowMs: number, out: Out): void {
    const isSame =
      row.state === 'alive' && sameAddress(row.address, claim.address) && bytesEqual(row.meta, claim.meta);
    const meta = bytesEqual(row.meta, claim.meta) ? row.meta : this.#shared(claim.meta);
    row.describe(claim.address, meta, claim.vsn);
    row.incarnation = claim.incarnation;
    row.suspicion = null;
    row.rival = null;
    row.lastSeenMs = nowMs;
    if (row.state === 'dead') this.lastReturnMs = nowMs;
    this.#enter(row, 'alive', nowMs);
    this.#spread(claim, out);
    if (!isSame) this.#notify(notice, row, out);
  }

  #reportConflict(row: MemberRow, claim: Alive, out: Out): void {
    if (row.rival !== null && sameAddress(row.rival, claim.address)) return;
    row.rival = claim.address;
    this.#notify('Conflict', row, out);
  }

  #bury(row: MemberRow, claim: Dead, state: 'dead' | 'left', nowMs: number, out: Out): void {
    row.suspicion = null;
    row.incarnation = claim.incarnation;
    this.#enter(row, state, nowMs);
    this.#spread(claim, out);
    this.#notify(state === 'dead' ? 'Dead' : 'Left', row, out);
  }

  #enter(row: MemberRow, state: PeerState, nowMs: number): void {
    if (row.state === state) return;
    this.#counts[row.state]--;
    this.#counts[state]++;
    row.enter(state, nowMs);
  }

  #spread(claim: Claim, out: Out): void {
    this.#parts.spread(claim, out);
  }

  #notify(notice: MemberEventType, row: MemberData, out: Out): void {
    out.emit({ type: 'notify', notice, member: recordOf(row) });
  }
}

/** Most of what is heard: the record we have, as the other members pass it on. No state acts on it, so the machine is not asked. */
const isOldNews = (row: MemberRow, claim: Claim): boolean =>
  claim.type === 'alive' && claim.incarnation <= row.incarnation && sameAddress(row.address, claim.address);

export const recordOf = ({
  name,
  address,
  state,
  incarnation,
  meta,
  lastSeenMs,
  stateChangedMs,
}: MemberData): MemberRecord => ({ name, address, state, incarnation, meta, lastSeenMs, stateChangedMs });
