/** The exactly-once session of one process: opened when first needed, renewed when the log has forgotten it. */
import { type Clock, ClusterError } from '@cluster/core';
import { Sequencer } from './core/sequencer.ts';
import { Deadline } from './deadline.ts';
import type { SessionMark } from './ports.ts';

const openTimeoutMs = 60_000;

export class SessionKeeper {
  readonly #clock: Clock;
  readonly #open: (deadline: Deadline) => Promise<number>;
  readonly #slotWaiters = new Set<() => void>();
  #sequencer: Sequencer | null = null;
  #opening: Promise<Sequencer> | null = null;

  constructor(clock: Clock, open: (deadline: Deadline) => Promise<number>) {
    this.#clock = clock;
    this.#open = open;
  }

  /**
   * Runs `work` with a mark of its own. When the log has forgotten the session and `work` says that nothing can have happened
   * (`retry: safe`), it is run once more in a new one.
   */
  async use<T>(deadline: Deadline, work: (mark: SessionMark) => Promise<T>): Promise<T> {
    for (let fresh = false; ; fresh = true) {
      const sequencer = await this.#session(deadline);
      const sequence = await this.#takeSequence(sequencer, deadline);
      try {
        return await work({ clientId: sequencer.clientId, sequence });
      } catch (error) {
        const expired = ClusterError.is(error) && error.code === 'MANAGER_SESSION_EXPIRED';
        if (expired && this.#sequencer === sequencer) this.#sequencer = null;
        if (!expired || fresh || error.retry !== 'safe') throw error;
      } finally {
        sequencer.settle(sequence);
        for (const wake of this.#slotWaiters) wake();
      }
    }
  }

  async #session(deadline: Deadline): Promise<Sequencer> {
    if (this.#sequencer !== null) return this.#sequencer;
    // Shared by all who wait, so it must not end with the first one's deadline.
    this.#opening ??= this.#open(new Deadline(this.#clock, openTimeoutMs, undefined))
      .then((clientId) => (this.#sequencer = new Sequencer(clientId)))
      .finally(() => (this.#opening = null));
    return deadline.limit(this.#opening, 'MANAGER_NO_LEADER');
  }

  async #takeSequence(sequencer: Sequencer, deadline: Deadline): Promise<number> {
    for (;;) {
      const sequence = sequencer.take();
      if (sequence !== null) return sequence;
      deadline.check('MANAGER_OVERLOADED');
      await deadline.sleep(deadline.leftMs, (wake) => {
        this.#slotWaiters.add(wake);
        return () => this.#slotWaiters.delete(wake);
      });
    }
  }
}
