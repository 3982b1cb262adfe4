/** What the state machines were given, and what clients were told: one order for all, everything acknowledged in it, nothing twice. */
import type { World } from '@cluster/sim';
import {
  decodeNumber,
  describeCommand,
  registerKeys,
  type RegisterValue,
  sameBytes,
  unwritten,
  writeRegister,
} from './commands.ts';
import { RegisterHistory } from './register-history.ts';

interface AppliedAt {
  readonly command: Uint8Array;
  readonly term: number;
  readonly by: string;
}

interface Acknowledged {
  readonly operation: number;
  readonly index: number;
}

interface Passed {
  readonly index: number;
  readonly appliedIndex: number;
}

/** What a replica's state machine holds. */
export interface Held {
  readonly operations: readonly number[];
  readonly registers: ReadonlyMap<number, RegisterValue>;
}

export class History {
  /** The same by what clients can see. */
  readonly registers: RegisterHistory;
  readonly #world: World;
  readonly #applied = new Map<number, AppliedAt>();
  readonly #indexOf = new Map<number, number>();
  readonly #results = new Map<number, Uint8Array>();
  readonly #acknowledged: Acknowledged[] = [];
  readonly #refused = new Set<number>();
  #acknowledgedIndex = 0;
  #observedIndex = 0;
  /** When more was observed than before, and how much, in order. */
  readonly #observations: { readonly atMs: number; readonly index: number }[] = [];

  /** @param where comes before what it says of registers, in a world of several groups. */
  constructor(world: World, where = '') {
    this.#world = world;
    this.registers = new RegisterHistory(world, where);
  }

  get acknowledged(): number {
    return this.#acknowledged.length;
  }

  /** The highest index that a client has been told of. */
  get acknowledgedIndex(): number {
    return this.#acknowledgedIndex;
  }

  /** The highest index that a client has been told of or has seen the effect of. */
  get observedIndex(): number {
    return Math.max(this.#acknowledgedIndex, this.#observedIndex);
  }

  /** The highest index that had been observed at a time. */
  observedBy(atMs: number): number {
    return this.#observations.findLast((observation) => observation.atMs <= atMs)?.index ?? 0;
  }

  /** A read that was asked for when `behind` had been observed has been answered from a state with `appliedIndex` in it. */
  read(client: string, behind: number, { index, appliedIndex }: Passed): void {
    this.#world.counters.add('reads');
    this.#observedIndex = Math.max(this.#observedIndex, appliedIndex);
    this.#observe();
    if (appliedIndex >= index && appliedIndex >= behind) return;
    this.#world.fail(
      'a read never misses what was observed before it',
      `${client} read at ${index} with ${appliedIndex} applied, asked when ${behind} was observed`,
    );
  }

  /** A barrier that was asked for when `behind` was acknowledged has been passed: linearizable reads rest on it. */
  passed(client: string, behind: number, { index, appliedIndex }: Passed): void {
    this.#world.counters.add('barriers');
    if (index > behind && appliedIndex >= index) return;
    this.#world.fail(
      'a barrier lies behind all that was acknowledged before, and is applied where it is passed',
      `${client} passed ${index} with ${appliedIndex} applied, asked when ${behind} was acknowledged`,
    );
  }

  /** A state machine was given a command, and answered. */
  applied(node: string, index: number, term: number, command: Uint8Array, result: Uint8Array): void {
    const known = this.#applied.get(index);
    if (known === undefined) {
      this.#first(node, index, term, command, result);
      return;
    }
    if (known.term !== term || !sameBytes(known.command, command)) {
      this.#world.fail(
        'state machine safety',
        `${known.by} applied ${describeCommand(known.command)} at ${index}, and ${node} ${describeCommand(command)}`,
      );
    }
    if (!sameBytes(this.#results.get(index) ?? result, result)) {
      this.#world.fail(
        'results are equal everywhere',
        `${node} answers otherwise than ${known.by} at ${index}`,
      );
    }
  }

  /** A state machine was given a whole state in place of the entries up to `index`. */
  installed(node: string, index: number, { operations, registers }: Held): void {
    this.#world.counters.add('installs');
    const known = [...this.#applied].filter(([at]) => at <= index).sort(([a], [b]) => a - b);
    const expected = new Map<number, RegisterValue>();
    for (const [, { command }] of known) writeRegister(expected, command);
    const hasOperations =
      known.length === operations.length &&
      known.every(([, { command }], at) => decodeNumber(command) === operations[at]);
    const hasRegisters =
      expected.size === registers.size && [...expected].every(([key, value]) => registers.get(key) === value);
    if (hasOperations && hasRegisters) return;
    this.#world.fail(
      'a snapshot holds what was applied up to its index',
      `${node} holds ${operations.length} operations at ${index}, where ${known.length} had been applied${hasRegisters ? '' : ', and other registers'}`,
    );
  }

  /** A client was told that its operation is done. */
  told(client: string, operation: number, index: number, result: Uint8Array): void {
    this.#world.counters.add('acknowledged');
    this.#acknowledged.push({ operation, index });
    this.#acknowledgedIndex = Math.max(this.#acknowledgedIndex, index);
    this.#observe();
    const at = this.#indexOf.get(operation);
    if (at === undefined) {
      this.#world.fail(
        'what is acknowledged was applied',
        `${client} was told of #${operation}, which nobody applied`,
      );
      return;
    }
    const truth = this.#results.get(at);
    if (truth !== undefined && !sameBytes(truth, result)) {
      this.#world.fail(
        'a client gets the result of its own operation',
        `${client} was told ${describeCommand(result)} for #${operation}, which gave ${describeCommand(truth)}`,
      );
    }
  }

  /** A client was told that its operation was not done, and never will be. */
  refused(client: string, operation: number): void {
    this.#world.counters.add('refusedSafely');
    this.#refused.add(operation);
    const at = this.#indexOf.get(operation);
    if (at !== undefined) this.#doneAfterAll(client, operation, at);
  }

  #doneAfterAll(by: string, operation: number, index: number): void {
    this.#world.fail(
      'what is refused as not done is never done',
      `${by}: #${operation} is applied at ${index}, and its client was told that it never would be`,
    );
  }

  /** After everything has settled: every acknowledged operation is in this replica's state, once. */
  verify(node: string, { operations, registers }: Held): void {
    const reader = this.registers.newClient();
    for (const key of registerKeys) this.registers.saw(reader, key, registers.get(key) ?? unwritten);
    const present = new Set(operations);
    if (present.size !== operations.length)
      this.#world.fail('exactly once', `${node} holds an operation twice`);
    for (const { operation, index } of this.#acknowledged) {
      if (!present.has(operation)) {
        this.#world.fail(
          'no acknowledged write is lost',
          `${node} lacks #${operation}, acknowledged at ${index}`,
        );
      }
    }
  }

  #observe(): void {
    const index = this.observedIndex;
    if (index > (this.#observations.at(-1)?.index ?? 0))
      this.#observations.push({ atMs: this.#world.nowMs, index });
  }

  #first(node: string, index: number, term: number, command: Uint8Array, result: Uint8Array): void {
    const operation = decodeNumber(command);
    if (this.#refused.has(operation)) this.#doneAfterAll(node, operation, index);
    const earlier = this.#indexOf.get(operation);
    if (earlier !== undefined) {
      this.#world.fail(
        'exactly once',
        `${node} applies #${operation} at ${index}, which was applied at ${earlier}`,
      );
    }
    this.#applied.set(index, { command, term, by: node });
    this.#indexOf.set(operation, index);
    this.#results.set(index, result);
  }
}
