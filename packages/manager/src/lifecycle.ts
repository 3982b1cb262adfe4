/** Runs the life-cycle core: promises for people on one side, the components on the other. */
import { type Clock, type ClusterError, Driver, type Tracer } from '@cluster/core';
import { LifecycleCore, type LifecycleEffect } from './core/lifecycle.ts';
import type { Command, LifecycleEvent } from './core/lifecycle.machine.ts';
import { asClusterError, managerError, type ManagerErrorCode } from './errors.ts';
import type { LifecycleState } from './types.ts';

/** What a state's refusal is called. */
const refusals: Readonly<Record<LifecycleState, ManagerErrorCode>> = {
  created: 'MANAGER_NOT_RUNNING',
  starting: 'MANAGER_NOT_RUNNING',
  'running.alone': 'MANAGER_ALREADY_STARTED',
  'running.joining': 'MANAGER_JOIN_IN_PROGRESS',
  'running.member': 'MANAGER_ALREADY_STARTED',
  leaving: 'MANAGER_LEFT',
  left: 'MANAGER_LEFT',
  stopping: 'MANAGER_STOPPED',
  stopped: 'MANAGER_STOPPED',
  failed: 'MANAGER_FAILED',
};

export interface LifecycleWork {
  open(signal: AbortSignal): Promise<void>;
  join(): Promise<number>;
  leave(): Promise<void>;
  close(): Promise<void>;
}

export interface LifecycleOptions {
  readonly nodeId: string;
  readonly leaveTimeoutMs: number;
  readonly stopTimeoutMs: number;
  readonly clock: Clock;
  readonly tracer: Tracer | undefined;
  readonly work: LifecycleWork;
  readonly onState: (state: LifecycleState) => void;
}

interface Waiter {
  resolve(value: unknown): void;
  reject(error: ClusterError): void;
}

export class Lifecycle {
  readonly #core: LifecycleCore;
  readonly #driver: Driver<LifecycleEvent, LifecycleEffect>;
  readonly #options: LifecycleOptions;
  readonly #waiting: Record<Command, Waiter[]> = { start: [], join: [], leave: [], stop: [] };
  readonly #opening = new AbortController();
  #open = false;
  #broken = false;
  #failure: ClusterError | null = null;
  #opened: Promise<void> = Promise.resolve();
  #closed: Promise<void> | null = null;

  constructor(options: LifecycleOptions) {
    this.#options = options;
    this.#core = new LifecycleCore(options);
    this.#driver = new Driver({
      node: options.nodeId,
      name: 'manager',
      core: this.#core,
      clock: options.clock,
      tracer: options.tracer,
      execute: (effect) => this.#execute(effect),
      onBug: (error) => {
        const failure = asClusterError(error);
        this.#failure = failure;
        this.#open = false;
        this.#broken = true;
        for (const command of ['start', 'join', 'leave', 'stop'] as const) this.#settle(command, failure);
      },
    });
  }

  get state(): LifecycleState {
    return this.#core.state as LifecycleState;
  }

  /** Why it failed; null otherwise. */
  get failure(): ClusterError | null {
    return this.#failure;
  }

  /** Whether ordinary calls are let in. */
  get isOpen(): boolean {
    return this.#open;
  }

  /** @throws ClusterError `MANAGER_NOT_RUNNING`, `MANAGER_LEFT`, `MANAGER_STOPPED` or `MANAGER_FAILED` */
  assertOpen(what: string): void {
    if (!this.#open) throw this.#refusal(what);
  }

  start(): Promise<void> {
    return this.#command('start', 'START') as Promise<void>;
  }

  join(): Promise<number> {
    return this.#command('join', 'JOIN') as Promise<number>;
  }

  leave(): Promise<void> {
    return this.#command('leave', 'LEAVE') as Promise<void>;
  }

  async stop(): Promise<void> {
    if (this.state === 'stopped') return;
    await this.#command('stop', 'STOP');
  }

  memberSeen(): void {
    if (this.state === 'running.alone') this.#driver.dispatch({ type: 'MEMBER_SEEN' });
  }

  componentFailed(error: ClusterError): void {
    this.#failure ??= error;
    this.#driver.dispatch({ type: 'COMPONENT_FAILED' });
  }

  #command(command: Command, type: 'START' | 'JOIN' | 'LEAVE' | 'STOP'): Promise<unknown> {
    if (this.#broken) return Promise.reject(this.#failure ?? asClusterError('broken'));
    return new Promise((resolve, reject) => {
      this.#waiting[command].push({ resolve, reject });
      this.#driver.dispatch({ type });
    });
  }

  #execute(effect: LifecycleEffect): void {
    const { work } = this.#options;
    switch (effect.type) {
      case 'openComponents':
        this.#opened = this.#run(() => work.open(this.#opening.signal), 'start', 'OPENED', 'OPEN_FAILED');
        return;
      case 'contactSeeds':
        void this.#run(() => work.join(), 'join', 'JOINED', 'JOIN_FAILED');
        return;
      case 'announceLeave':
        void this.#run(() => work.leave(), 'leave', 'LEFT', 'LEFT');
        return;
      case 'closeComponents':
        this.#opening.abort();
        // What is still being opened is closed once it is open: an abort may come too late for it.
        this.#closed ??= this.#opened.then(() => work.close());
        // A component that cannot close has reported it; the manager stops all the same.
        void this.#closed.catch(() => undefined).then(() => this.#driver.dispatch({ type: 'CLOSED' }));
        return;
      case 'setGate':
        this.#open = effect.open;
        return;
      case 'refuse': {
        const waiter = this.#waiting[effect.command].pop();
        waiter?.reject(this.#refusal(effect.command));
        return;
      }
      case 'stateChanged':
        this.#changed(effect.state as LifecycleState);
    }
  }

  async #run(
    work: () => Promise<unknown>,
    command: Command,
    done: LifecycleEvent['type'],
    failed: LifecycleEvent['type'],
  ): Promise<void> {
    // Whoever has just asked; others may ask again meanwhile.
    const mine = this.#waiting[command].slice(-1);
    try {
      const value = await work();
      this.#driver.dispatch({ type: done });
      this.#settle(command, null, value, mine);
    } catch (error) {
      const failure = asClusterError(error);
      if (failed === 'OPEN_FAILED') this.#failure ??= failure;
      this.#driver.dispatch({ type: failed });
      this.#settle(command, failure, undefined, mine);
    }
  }

  #changed(state: LifecycleState): void {
    switch (state) {
      case 'stopped':
        for (const command of ['start', 'join', 'leave'] as const)
          this.#settle(command, this.#refusal(command));
        this.#settle('stop', null);
        break;
      case 'stopping':
        for (const command of ['start', 'join', 'leave'] as const)
          this.#settle(command, this.#refusal(command));
        break;
      case 'failed':
        for (const command of ['join', 'leave'] as const) this.#settle(command, this.#refusal(command));
        break;
      case 'left':
        // By its own completion, or because the time for it was up.
        this.#settle('leave', null);
        break;
      case 'created':
      case 'starting':
      case 'running.alone':
      case 'running.joining':
      case 'running.member':
      case 'leaving':
        break;
    }
    this.#options.onState(state);
  }

  #settle(
    command: Command,
    error: ClusterError | null,
    value?: unknown,
    waiters: readonly Waiter[] = this.#waiting[command],
  ): void {
    const settled = new Set(waiters);
    this.#waiting[command] = this.#waiting[command].filter((waiter) => !settled.has(waiter));
    for (const waiter of settled) {
      if (error === null) waiter.resolve(value);
      else waiter.reject(error);
    }
  }

  #refusal(what: string): ClusterError {
    const { state } = this;
    const details = this.#failure === null ? {} : { cause: this.#failure };
    const reason = this.#failure === null ? '' : ` ${this.#failure.code}: ${this.#failure.message}`;
    return managerError(refusals[state], `${what} was refused: the manager is ${state}.${reason}`, details);
  }
}
