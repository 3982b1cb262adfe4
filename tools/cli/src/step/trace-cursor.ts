/**
 * Walking a trace: what is known at a step, in either direction.
 *
 * Nothing is undone when going back. Every state and timer of the trace is indexed once as a line of changes over time, and a
 * view reads each line at its position; so a step looks the same however one has come to it.
 */
import type { MachineStep, TraceHeader, TraceRecord, TraceStep } from '@cluster/core';
import { Timeline } from './timeline.ts';

/** Which steps to walk; what is left out matches everything. */
export interface StepFilter {
  readonly node?: string;
  readonly core?: string;
  /** A machine's id (`raft.role`) or an instance (`n2` of a table). */
  readonly machine?: string;
}

export interface StepReference {
  readonly seq: number;
  readonly t: number;
  readonly node: string;
  readonly core: string;
  readonly input: string;
}

export interface PendingView {
  readonly timer: string;
  readonly dueMs: number;
  /** Milliseconds from the step; negative for one that is overdue. */
  readonly inMs: number;
}

export interface MachineView {
  readonly core: string;
  readonly machine: string;
  readonly instance: string;
  readonly state: string;
  /** Whether this step changed it. */
  readonly changed: boolean;
}

export interface StepView {
  readonly seq: number;
  readonly t: number;
  readonly node: string;
  readonly core: string;
  readonly input: TraceStep['input'];
  readonly cause: StepReference | null;
  /** The steps that this one's effects brought about. */
  readonly consequences: readonly StepReference[];
  readonly machines: readonly MachineStep[];
  readonly effects: TraceStep['effects'];
  /** Timers of the core that wait after the step, the next first. */
  readonly timers: readonly PendingView[];
  /** All machines of the node, as they are after the step. */
  readonly states: readonly MachineView[];
}

interface MachineKey {
  readonly core: string;
  readonly machine: string;
  readonly instance: string;
}

export class TraceCursor {
  readonly header: TraceHeader;
  readonly #steps: readonly TraceStep[];
  readonly #indexOf = new Map<number, number>();
  readonly #consequences = new Map<number, number[]>();
  readonly #timers = new Map<string, Timeline<string, number>>();
  readonly #machines = new Map<string, Timeline<string, MachineKey & { readonly state: string }>>();

  /** @param records in the order of their `seq`, as `decodeTrace` gives them. */
  constructor(header: TraceHeader, records: readonly TraceRecord[]) {
    this.header = header;
    this.#steps = records.filter((record): record is TraceStep => record.kind === 'step');
    let index = -1;
    for (const record of records) {
      if (record.kind === 'step') this.#addStep(record, ++index);
      if (record.kind === 'checkpoint') {
        const timers = this.#timersOf(record.node, record.core);
        timers.replace(index, new Map(record.timers.map(({ timer, dueMs }) => [timer, dueMs])));
        if (record.begins)
          this.#machinesOf(record.node).removeWhere(index, ({ core }) => core === record.core);
      }
    }
  }

  get length(): number {
    return this.#steps.length;
  }

  get nodes(): readonly string[] {
    return [...new Set(this.#steps.map(({ node }) => node))].toSorted();
  }

  step(index: number): TraceStep | undefined {
    return this.#steps[index];
  }

  /** Where the step of this number is; the next one when it is not in the trace; -1 beyond the end. */
  indexOf(seq: number): number {
    return this.#indexOf.get(seq) ?? this.#steps.findIndex((step) => step.seq >= seq);
  }

  /** The nearest step from `index` (exclusive) in a direction that passes; -1 when there is none. */
  next(index: number, direction: 1 | -1, passes: (step: TraceStep) => boolean = () => true): number {
    for (let i = index + direction; i >= 0 && i < this.#steps.length; i += direction) {
      if (passes(this.#steps[i] as TraceStep)) return i;
    }
    return -1;
  }

  causeOf(index: number): number {
    const cause = this.#steps[index]?.cause ?? null;
    return cause === null ? -1 : (this.#indexOf.get(cause) ?? -1);
  }

  consequencesOf(index: number): readonly number[] {
    return this.#consequences.get(this.#steps[index]?.seq ?? -1) ?? [];
  }

  view(index: number): StepView {
    const step = this.#steps[index] as TraceStep;
    const { seq, t, node, core, input, machines, effects } = step;
    const cause = this.causeOf(index);
    const touched = new Set(machines.map(({ machine, instance }) => keyOf({ core, machine, instance })));
    return {
      seq,
      t,
      node,
      core,
      input,
      cause: cause === -1 ? null : this.#reference(cause),
      consequences: this.consequencesOf(index).map((one) => this.#reference(one)),
      machines,
      effects,
      timers: [...this.#timersOf(node, core).at(index)]
        .map(([timer, dueMs]) => ({ timer, dueMs, inMs: dueMs - t }))
        .toSorted((a, b) => a.dueMs - b.dueMs || (a.timer < b.timer ? -1 : 1)),
      states: [...this.#machinesOf(node).at(index)]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, machine]) => ({ ...machine, changed: touched.has(key) })),
    };
  }

  #reference(index: number): StepReference {
    const { seq, t, node, core, input } = this.#steps[index] as TraceStep;
    return { seq, t, node, core, input: input.type };
  }

  #addStep(step: TraceStep, index: number): void {
    const { seq, t, node, core, input, cause, machines, effects } = step;
    this.#indexOf.set(seq, index);
    if (cause !== null) this.#consequences.set(cause, [...(this.#consequences.get(cause) ?? []), index]);
    const timers = this.#timersOf(node, core);
    if (input.type === 'TIMER') timers.remove(index, String((input as { timer?: unknown }).timer));
    for (const effect of effects as readonly { type: string; timer?: string; delayMs?: number }[]) {
      if (effect.type === 'setTimer') timers.set(index, String(effect.timer), t + Number(effect.delayMs));
      if (effect.type === 'cancelTimer') timers.remove(index, String(effect.timer));
    }
    const states = this.#machinesOf(node);
    for (const { machine, instance, to } of machines) {
      const key = { core, machine, instance };
      if (to === '') states.remove(index, keyOf(key));
      else states.set(index, keyOf(key), { ...key, state: to });
    }
  }

  #timersOf(node: string, core: string): Timeline<string, number> {
    return getOrMake(this.#timers, `${node}\n${core}`, () => new Timeline());
  }

  #machinesOf(node: string): Timeline<string, MachineKey & { readonly state: string }> {
    return getOrMake(this.#machines, node, () => new Timeline());
  }
}

/** Whether a filter lets a step pass. */
export function passes({ node, core, machine }: StepFilter, step: TraceStep): boolean {
  if (node !== undefined && step.node !== node) return false;
  if (core !== undefined && step.core !== core) return false;
  return (
    machine === undefined ||
    step.machines.some(
      (one) =>
        one.machine === machine || one.instance === machine || `${one.machine}/${one.instance}` === machine,
    )
  );
}

const keyOf = ({ core, machine, instance }: MachineKey): string => `${core}\n${machine}\n${instance}`;

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
