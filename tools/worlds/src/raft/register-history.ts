/**
 * What clients did to the registers and what they saw of them, by the true time; and whether one order explains it all, each operation
 * between its call and its return (Herlihy and Wing 1990). It asks less of the replicas than the other checks, for it knows no indexes,
 * and so it holds them to what a client can see.
 */
import { checkHistory, type Operation, type Value } from '@cluster/nemesis/history';
import type { World } from '@cluster/sim';
import { type RegisterValue, type RegisterWrite, unwritten } from './commands.ts';

/** A write that is under way, or was given up: until it is answered it may take effect, however late. */
export interface RegisterCall {
  readonly place: number;
}

const nsPerMs = 1e6;
const keyOf = (key: number): string => `k${key}`;
const valueOf = (value: RegisterValue): Value => (value === unwritten ? null : `#${value}`);

export class RegisterHistory {
  readonly #world: World;
  readonly #where: string;
  /** Null: it certainly never happened. */
  readonly #operations: (Operation | null)[] = [];
  #clients = 0;

  /** @param where comes before what it says, in a world of several groups. */
  constructor(world: World, where: string) {
    this.#world = world;
    this.#where = where;
  }

  get operations(): readonly Operation[] {
    return this.#operations.filter((operation) => operation !== null);
  }

  /** A number that no client has had: also for one that gives up what it does not know the end of. */
  newClient(): number {
    return ++this.#clients;
  }

  /** A client begins to write an operation's number. */
  writes(client: number, operation: number, { key, expect }: RegisterWrite): RegisterCall {
    const place = this.#operations.push({
      client,
      op: expect === null ? 'put' : 'cas',
      key: keyOf(key),
      value: valueOf(operation),
      expect: expect === null ? null : valueOf(expect),
      call: this.#nowNs,
      return: null,
      status: 'info',
    });
    return { place: place - 1 };
  }

  /** It was told that this was done: that it has written, or has found something else than it expected. */
  wrote({ place }: RegisterCall, hasWritten: boolean): void {
    const operation = this.#operations[place];
    if (operation === null || operation === undefined) return;
    this.#operations[place] = { ...operation, return: this.#nowNs, status: hasWritten ? 'ok' : 'fail' };
    this.#world.counters.add(operation.op === 'put' ? 'puts' : hasWritten ? 'swaps' : 'swapsFailed');
  }

  /** It was told that this was not done and never will be. */
  wroteNothing({ place }: RegisterCall): void {
    this.#operations[place] = null;
  }

  /** A client that asked at `calledMs` is told a value. */
  saw(client: number, key: number, value: RegisterValue, calledMs = this.#world.nowMs): void {
    this.#operations.push({
      client,
      op: 'get',
      key: keyOf(key),
      value: valueOf(value),
      expect: null,
      call: Math.round(calledMs * nsPerMs),
      return: this.#nowNs,
      status: 'ok',
    });
    this.#world.counters.add('gets');
  }

  /** After everything has settled. */
  check(): void {
    const { operations } = this;
    const { verdict, violations, unknownKeys } = checkHistory(operations);
    if (verdict === 'linearizable') return;
    const said = violations.map(({ operation, states }) => {
      const known = states.map((state) => JSON.stringify(state)).join(' or ') || 'no such value, ever';
      return `no order explains ${JSON.stringify(operation)}; the register could have held ${known}`;
    });
    const unknown = unknownKeys.map((key) => `the search for an order was given up for ${key}`);
    this.#world.fail('linearizable', this.#where + [...said, ...unknown].join('; '));
  }

  get #nowNs(): number {
    return Math.round(this.#world.nowMs * nsPerMs);
  }
}
