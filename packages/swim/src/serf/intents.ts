/** Who has said that it leaves: a row for each member on record, and what was said of members not known yet. */
import {
  type ActionOf,
  type Address,
  MachineTable,
  type Sink,
  Stepper,
  type TableCheckpoint,
} from '@cluster/core';
import type { MemberEventType } from '../member.ts';
import type { SerfEffect } from './effects.ts';
import { intentMachine } from './intent.machine.ts';
import type { JoinIntent, LeaveIntent } from './messages.ts';

type Out = Sink<SerfEffect>;
export type Intent = JoinIntent | LeaveIntent;

interface Row {
  readonly name: string;
  address: Address;
  lTime: number;
}

export interface IntentsCheckpoint {
  readonly rows: readonly Row[];
  readonly states: TableCheckpoint;
  readonly early: readonly (readonly [string, Intent])[];
}

const stepper = new Stepper(intentMachine);

export class Intents {
  readonly #earlyMax: number;
  readonly #rows = new Map<string, Row>();
  readonly #states: MachineTable<typeof intentMachine, SerfEffect>;
  /** Intents of members that membership has not told us of yet: gossip keeps no order. */
  readonly #early = new Map<string, Intent>();
  #accepted = false;

  constructor(earlyMax: number) {
    this.#earlyMax = earlyMax;
    this.#states = new MachineTable('intent', stepper, (name, action, _nowMs, out) =>
      this.#perform(name, action, out),
    );
  }

  /** @returns whether it is news, to be passed on. */
  hear(intent: Intent, nowMs: number, out: Out): boolean {
    const row = this.#rows.get(intent.node);
    if (row === undefined) return this.#keepEarly(intent);
    const { lTime } = intent;
    // Most of what is heard, passed on by one after the other: no state acts on it, so the machine is not asked.
    if (lTime <= row.lTime) return false;
    this.#accepted = false;
    const type = intent.type === 'join' ? 'JOIN_INTENT' : 'LEAVE_INTENT';
    this.#states.send(intent.node, { type, lTime, known: row.lTime }, nowMs, out);
    if (this.#accepted) row.lTime = lTime;
    return this.#accepted;
  }

  noticed(notice: MemberEventType, name: string, address: Address, nowMs: number, out: Out): void {
    if (notice === 'Reaped') {
      this.#rows.delete(name);
      return this.#states.remove(name, out);
    }
    const row = this.#rows.get(name) ?? this.#add(name, address, nowMs, out);
    row.address = address;
    if (notice === 'Joined') this.#states.send(name, { type: 'ARRIVED' }, nowMs, out);
    if (notice === 'Dead') this.#states.send(name, { type: 'FAILED' }, nowMs, out);
    if (notice === 'Left') this.#states.send(name, { type: 'DEPARTED' }, nowMs, out);
  }

  stateOf(name: string): string | undefined {
    return this.#states.state(name);
  }

  /** Members that are there to stay, ourselves among them. */
  alive(): { readonly name: string; readonly address: Address }[] {
    return [...this.#rows.values()].filter(({ name }) => this.#states.state(name) === 'alive');
  }

  lTimes(): readonly (readonly [string, number])[] {
    return Array.from(this.#rows.values(), ({ name, lTime }) => [name, lTime] as const);
  }

  lTimeOf(name: string): number {
    return this.#rows.get(name)?.lTime ?? 0;
  }

  /** Who said that it leaves, gone already or not: any other member in a push/pull counts as one that said that it joins. */
  left(): readonly string[] {
    const said = (name: string): boolean => ['leaving', 'left'].includes(this.#states.state(name) ?? '');
    return [...this.#rows.keys()].filter(said);
  }

  checkpoint(): IntentsCheckpoint {
    return {
      rows: [...this.#rows.values()],
      states: this.#states.checkpoint(),
      early: [...this.#early],
    };
  }

  restore({ rows, states, early }: IntentsCheckpoint): void {
    this.#rows.clear();
    for (const row of rows) this.#rows.set(row.name, { ...row });
    this.#states.restore(states);
    this.#early.clear();
    for (const [name, intent] of early) this.#early.set(name, intent);
  }

  #add(name: string, address: Address, nowMs: number, out: Out): Row {
    const row: Row = { name, address, lTime: 0 };
    this.#rows.set(name, row);
    this.#states.add(name, nowMs, out);
    const early = this.#early.get(name);
    if (this.#early.delete(name) && early !== undefined) this.hear(early, nowMs, out);
    return row;
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
