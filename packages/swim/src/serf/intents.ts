/** Who has said that it leaves: a row for each member on record, and what was said of members not known yet. */
import {
  type ActionOf,
  type Address,
  MachineTable,
  type Sink,
  Stepper,
  type TableCheckpoint,
} from '@cluster/core';
import { Rows } from '../core/rows.ts';
import type { MemberEventType } from '../member.ts';
import type { SerfEffect } from './effects.ts';
import { intentMachine } from './intent.machine.ts';
import type { JoinIntent, LeaveIntent } from './messages.ts';

type Out = Sink<SerfEffect>;
export type Intent = JoinIntent | LeaveIntent;

/** A row as plain data. */
interface Row {
  readonly name: string;
  readonly address: Address;
  readonly lTime: number;
}

export interface IntentsCheckpoint {
  readonly rows: readonly Row[];
  readonly states: TableCheckpoint;
  readonly early: readonly (readonly [string, Intent])[];
}

const stepper = new Stepper(intentMachine);

export class Intents {
  readonly #earlyMax: number;
  readonly #addresses: Address[] = [];
  readonly #lTimes: number[] = [];
  readonly #rows: Rows;
  readonly #states: MachineTable<typeof intentMachine, SerfEffect>;
  /** Intents of members that membership has not told us of yet: gossip keeps no order. */
  readonly #early = new Map<string, Intent>();
  #accepted = false;

  constructor(earlyMax: number, salt: number) {
    this.#earlyMax = earlyMax;
    this.#rows = new Rows(salt, [this.#addresses, this.#lTimes]);
    this.#states = new MachineTable(
      'intent',
      stepper,
      (name, action, _nowMs, out) => this.#perform(name, action, out),
      this.#rows.codes,
    );
  }

  /** Most of what is heard, passed on by one after the other: nothing would come of it. */
  isOld({ node, lTime }: Intent): boolean {
    const row = this.#rows.find(node);
    return row !== -1 && lTime <= (this.#lTimes[row] as number);
  }

  /** @returns whether it is news, to be passed on. */
  hear(intent: Intent, nowMs: number, out: Out): boolean {
    const row = this.#rows.find(intent.node);
    if (row === -1) return this.#keepEarly(intent);
    const { lTime } = intent;
    const known = this.#lTimes[row] as number;
    // Most of what is heard, passed on by one after the other: no state acts on it, so the machine is not asked.
    if (lTime <= known) return false;
    this.#accepted = false;
    const type = intent.type === 'join' ? 'JOIN_INTENT' : 'LEAVE_INTENT';
    this.#states.send(intent.node, { type, lTime, known }, nowMs, out);
    if (this.#accepted) this.#lTimes[row] = lTime;
    return this.#accepted;
  }

  noticed(notice: MemberEventType, name: string, address: Address, nowMs: number, out: Out): void {
    if (notice === 'Reaped') {
      this.#states.remove(name, out);
      return this.#rows.remove(name);
    }
    const row = this.#rows.find(name);
    if (row === -1) this.#add(name, address, nowMs, out);
    else this.#addresses[row] = address;
    if (notice === 'Joined') this.#states.send(name, { type: 'ARRIVED' }, nowMs, out);
    if (notice === 'Dead') this.#states.send(name, { type: 'FAILED' }, nowMs, out);
    if (notice === 'Left') this.#states.send(name, { type: 'DEPARTED' }, nowMs, out);
  }

  stateOf(name: string): string | undefined {
    return this.#states.state(name);
  }

  /** Members that are there to stay, ourselves among them. */
  alive(): { readonly name: string; readonly address: Address }[] {
    return this.#list().filter(({ name }) => this.#states.state(name) === 'alive');
  }

  lTimes(): readonly (readonly [string, number])[] {
    return this.#rows.names.map((name, row) => [name, this.#lTimes[row] as number] as const);
  }

  lTimeOf(name: string): number {
    return this.#lTimes[this.#rows.find(name)] ?? 0;
  }

  /** Who said that it leaves, gone already or not: any other member in a push/pull counts as one that said that it joins. */
  left(): readonly string[] {
    const said = (name: string): boolean => ['leaving', 'left'].includes(this.#states.state(name) ?? '');
    return this.#rows.names.filter(said);
  }

  checkpoint(): IntentsCheckpoint {
    return {
      rows: this.#list(),
      states: this.#states.checkpoint(),
      early: [...this.#early],
    };
  }

  restore({ rows, states, early }: IntentsCheckpoint): void {
    this.#rows.clear();
    for (const { name, address, lTime } of rows) this.#addRow(name, address, lTime);
    this.#states.restore(states);
    this.#early.clear();
    for (const [name, intent] of early) this.#early.set(name, intent);
  }

  #list(): Row[] {
    return this.#rows.names.map((name, row) => ({
      name,
      address: this.#addresses[row] as Address,
      lTime: this.#lTimes[row] as number,
    }));
  }

  #addRow(name: string, address: Address, lTime: number): void {
    this.#rows.add(name);
    this.#addresses.push(address);
    this.#lTimes.push(lTime);
  }

  #add(name: string, address: Address, nowMs: number, out: Out): void {
    this.#addRow(name, address, 0);
    this.#states.add(name, nowMs, out);
    const early = this.#early.get(name);
    if (this.#early.delete(name) && early !== undefined) this.hear(early, nowMs, out);
  }

  #keepEarly(intent: Intent): boolean {
    const known = this.#early.get(intent.node);
    if (known !== undefined && known.lTime >= intent.lTime) return false;
    this.#early.delete(intent.node);
    this.#early.set(intent.node, intent);
    // The oldest goes first: push/pull brings it again should it still matter.
    const [oldest] = this.#early.keys();
    if (this.#early.size > this.#earlyMax && oldest !== undefined) this.#early.delete(oldest);
    return true;
  }

  #perform(member: string, action: ActionOf<typeof intentMachine>, out: Out): void {
    switch (action.type) {
      case 'acceptIntent':
        this.#accepted = true;
        return;
      case 'declareLeft':
        return out.emit({ type: 'declareLeft', member });
    }
  }
}
