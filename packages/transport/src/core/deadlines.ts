/**
 * Deadlines of calls: a timing wheel (Varghese and Lauck, 1987) with one tick for all of them. Setting and clearing are a few
 * pointer stores; a call that ends in time, as nearly all do, leaves nothing behind.
 */
export interface Deadline {
  dueTick: number;
  previous: Deadline | null;
  next: Deadline | null;
  expire(): void;
}

const slots = 512;

export class DeadlineWheel {
  readonly #tickMs: number;
  readonly #heads: (Deadline | null)[] = Array.from({ length: slots }, () => null);
  #tick: number;
  #size = 0;

  constructor(tickMs: number, nowMs: number) {
    this.#tickMs = tickMs;
    this.#tick = Math.floor(nowMs / tickMs);
  }

  get size(): number {
    return this.#size;
  }

  /** Due at the first tick at or after `dueMs`, never before. */
  add(deadline: Deadline, dueMs: number): void {
    deadline.dueTick = Math.max(this.#tick + 1, Math.ceil(dueMs / this.#tickMs));
    const slot = deadline.dueTick % slots;
    const head = this.#heads[slot] ?? null;
    deadline.previous = null;
    deadline.next = head;
    if (head !== null) head.previous = deadline;
    this.#heads[slot] = deadline;
    this.#size++;
  }

  /** Once for each that was added, unless it has expired. */
  remove(deadline: Deadline): void {
    const { previous, next } = deadline;
    if (previous !== null) previous.next = next;
    else this.#heads[deadline.dueTick % slots] = next;
    if (next !== null) next.previous = previous;
    deadline.previous = null;
    deadline.next = null;
    this.#size--;
  }

  /** Expires what is due. */
  advance(nowMs: number): void {
    const target = Math.floor(nowMs / this.#tickMs);
    // After a long sleep one round over the wheel sees every slot.
    const from = Math.max(this.#tick + 1, target - slots + 1);
    if (target > this.#tick) this.#tick = target;
    for (let tick = from; tick <= target; tick++) {
      let deadline = this.#heads[tick % slots] ?? null;
      const due: Deadline[] = [];
      for (; deadline !== null; deadline = deadline.next) if (deadline.dueTick <= target) due.push(deadline);
      for (const one of due) this.remove(one);
      for (const one of due) one.expire();
    }
  }
}
