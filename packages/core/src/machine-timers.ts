/** The timers that the machines of one owner wait for. */
import type { Sink } from './core.ts';

/** A timer a machine waits for, as a checkpoint keeps it. */
export interface PendingTimer {
  /** The name the driver knows it by: `<owner>/<xstate's id>`. */
  readonly timer: string;
  /** The machine it belongs to: an instance's id, or `<table>:<entity>`. */
  readonly owner: string;
  readonly dueMs: number;
  readonly event: unknown;
}

export class TimerTable {
  readonly #pending = new Map<string, PendingTimer>();

  set(owner: string, id: string, delayMs: number, event: unknown, nowMs: number, out: Sink<never>): void {
    const timer = `${owner}/${id}`;
    this.#pending.set(timer, { timer, owner, dueMs: nowMs + delayMs, event });
    out.emit({ type: 'setTimer', timer, delayMs });
  }

  cancel(timer: string, out: Sink<never>): void {
    if (this.#pending.delete(timer)) out.emit({ type: 'cancelTimer', timer });
  }

  cancelAll(owner: string, out: Sink<never>): void {
    for (const pending of this.#pending.values())
      if (pending.owner === owner) this.cancel(pending.timer, out);
  }

  /** Removes a fired timer; undefined for one that is another's, or was cancelled meanwhile. */
  take(timer: string): PendingTimer | undefined {
    const pending = this.#pending.get(timer);
    this.#pending.delete(timer);
    return pending;
  }

  list(): readonly PendingTimer[] {
    return [...this.#pending.values()];
  }

  restore(timers: readonly PendingTimer[]): void {
    this.#pending.clear();
    for (const timer of timers) this.#pending.set(timer.timer, timer);
  }
}
