/** The other members, a row for each; what most do not have (a suspicion, a rival) is kept only for those that do. */
import type { Address } from '@cluster/core';
import type { PeerState } from './messages.ts';
import { Rows } from './rows.ts';
import type { Suspicion } from './suspicion.ts';

/** A row as plain data. */
export interface MemberData {
  readonly name: string;
  readonly address: Address;
  readonly meta: Uint8Array;
  readonly vsn: Uint8Array;
  readonly incarnation: number;
  readonly state: PeerState;
  readonly stateChangedMs: number;
  readonly lastSeenMs: number;
  readonly suspicion: Suspicion | null;
  readonly rival: Address | null;
}

class Columns {
  readonly addresses: Address[] = [];
  readonly metas: Uint8Array[] = [];
  readonly vsns: Uint8Array[] = [];
  readonly incarnations: number[] = [];
  readonly states: PeerState[] = [];
  readonly changedMs: number[] = [];
  readonly seenMs: number[] = [];
  readonly suspicions = new Map<string, Suspicion>();
  readonly rivals = new Map<string, Address>();
}

export class MemberTable {
  readonly #columns = new Columns();
  readonly #rows: Rows;

  constructor(salt: number) {
    const { addresses, metas, vsns, incarnations, states, changedMs, seenMs } = this.#columns;
    this.#rows = new Rows(salt, [addresses, metas, vsns, incarnations, states, changedMs, seenMs]);
  }

  get size(): number {
    return this.#rows.size;
  }

  /** Of the members' machines. */
  get codes(): Rows['codes'] {
    return this.#rows.codes;
  }

  /** Valid until a row is removed. */
  find(name: string): MemberRow | undefined {
    const at = this.#rows.find(name);
    return at === -1 ? undefined : new MemberRow(this.#columns, at, name);
  }

  add(row: MemberData): MemberRow {
    const { name } = row;
    const columns = this.#columns;
    columns.addresses.push(row.address);
    columns.metas.push(row.meta);
    columns.vsns.push(row.vsn);
    columns.incarnations.push(row.incarnation);
    columns.states.push(row.state);
    columns.changedMs.push(row.stateChangedMs);
    columns.seenMs.push(row.lastSeenMs);
    if (row.suspicion !== null) columns.suspicions.set(name, row.suspicion);
    if (row.rival !== null) columns.rivals.set(name, row.rival);
    return new MemberRow(columns, this.#rows.add(name), name);
  }

  remove(name: string): void {
    this.#columns.suspicions.delete(name);
    this.#columns.rivals.delete(name);
    this.#rows.remove(name);
  }

  clear(): void {
    this.#columns.suspicions.clear();
    this.#columns.rivals.clear();
    this.#rows.clear();
  }

  /** In the order they came; none may be removed meanwhile. */
  *rows(): IterableIterator<MemberRow> {
    for (const [at, name] of this.#rows.names.entries()) yield new MemberRow(this.#columns, at, name);
  }
}

/** Where one member is in the columns: valid until a row is removed. */
export class MemberRow implements MemberData {
  readonly name: string;
  readonly #columns: Columns;
  readonly #at: number;

  constructor(columns: Columns, at: number, name: string) {
    this.#columns = columns;
    this.#at = at;
    this.name = name;
  }

  get address(): Address {
    return this.#columns.addresses[this.#at] as Address;
  }

  get meta(): Uint8Array {
    return this.#columns.metas[this.#at] as Uint8Array;
  }

  get vsn(): Uint8Array {
    return this.#columns.vsns[this.#at] as Uint8Array;
  }

  get incarnation(): number {
    return this.#columns.incarnations[this.#at] as number;
  }

  set incarnation(incarnation: number) {
    this.#columns.incarnations[this.#at] = incarnation;
  }

  /** Follows the machine, so that members can be counted and dated without asking it. */
  get state(): PeerState {
    return this.#columns.states[this.#at] as PeerState;
  }

  get stateChangedMs(): number {
    return this.#columns.changedMs[this.#at] as number;
  }

  get lastSeenMs(): number {
    return this.#columns.seenMs[this.#at] as number;
  }

  set lastSeenMs(nowMs: number) {
    this.#columns.seenMs[this.#at] = nowMs;
  }

  get suspicion(): Suspicion | null {
    return this.#columns.suspicions.get(this.name) ?? null;
  }

  set suspicion(suspicion: Suspicion | null) {
    if (suspicion === null) this.#columns.suspicions.delete(this.name);
    else this.#columns.suspicions.set(this.name, suspicion);
  }

  /** Where the name was last claimed from by somebody else: each such place is reported once. */
  get rival(): Address | null {
    return this.#columns.rivals.get(this.name) ?? null;
  }

  set rival(rival: Address | null) {
    if (rival === null) this.#columns.rivals.delete(this.name);
    else this.#columns.rivals.set(this.name, rival);
  }

  /** Takes over what it says of itself. */
  describe(address: Address, meta: Uint8Array, vsn: Uint8Array): void {
    this.#columns.addresses[this.#at] = address;
    this.#columns.metas[this.#at] = meta;
    this.#columns.vsns[this.#at] = vsn;
  }

  enter(state: PeerState, nowMs: number): void {
    this.#columns.states[this.#at] = state;
    this.#columns.changedMs[this.#at] = nowMs;
  }

  /** A copy, which lasts. */
  data(): MemberData {
    const { name, address, meta, vsn, incarnation, state, stateChangedMs, lastSeenMs, suspicion, rival } =
      this;
    return { name, address, meta, vsn, incarnation, state, stateChangedMs, lastSeenMs, suspicion, rival };
  }
}
