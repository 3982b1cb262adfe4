/** Drives one core by hand in its own time: inputs and timers in, effects out. The node under test is `me`. */
import type { Sink, TimerEffect, TimerInput } from '@cluster/core';
import {
  parseSwimConfig,
  SwimCore,
  type SwimConfigInput,
  type SwimEffect,
  type SwimInput,
} from '@cluster/swim';
import type { Alive, Dead, Message, PeerRecord, Suspect } from '../src/core/messages.ts';
import { encodeMessage } from '../src/wire.ts';

export const noBytes = new Uint8Array(0);
export const vsn = Uint8Array.of(1, 5, 2, 2, 5, 5);
export const addressOf = (name: string): { host: string; port: number } => ({
  host: `10.0.0.${1 + (Buffer.from(name).reduce((sum, byte) => sum * 31 + byte, 7) % 250)}`,
  port: 7946,
});

export const alive = (node: string, incarnation = 1, more: Partial<Alive> = {}): Alive => ({
  type: 'alive',
  incarnation,
  node,
  address: addressOf(node),
  meta: noBytes,
  vsn,
  ...more,
});
export const suspect = (node: string, incarnation = 1, from = 'other'): Suspect => ({
  type: 'suspect',
  incarnation,
  node,
  from,
});
export const dead = (node: string, incarnation = 1, from = 'other'): Dead => ({
  type: 'dead',
  incarnation,
  node,
  from,
});
export const peer = (name: string, state: PeerRecord['state'] = 'alive', incarnation = 1): PeerRecord => ({
  name,
  address: addressOf(name),
  meta: noBytes,
  incarnation,
  state,
  vsn,
});

type Effect = SwimEffect | TimerEffect;
type Of<T extends Effect['type']> = Extract<Effect, { type: T }>;

export class CoreRig {
  readonly core: SwimCore;
  nowMs = 0;
  /** Whether members answer our pings, at once. */
  answering = true;
  /** Effects since the last `take`. */
  #said: Effect[] = [];
  readonly #acks: number[] = [];
  readonly #timers = new Map<string, number>();
  readonly #out: Sink<SwimEffect> = { observer: null, emit: (effect) => this.#hear(effect) };

  constructor(config: Partial<SwimConfigInput> = {}, seed = 1) {
    this.core = new SwimCore({
      config: parseSwimConfig({ name: 'me', reconnectPeriodMs: 0, pushPullPeriodMs: 0, ...config }),
      seed,
      meta: noBytes,
      bytesOf: (message) => encodeMessage(message).length,
      envelopeBytes: 5,
      checksums: true,
    });
  }

  /** Started, with these members alive, who from here on answer only if `answering` is set. */
  static with(names: readonly string[], config: Partial<SwimConfigInput> = {}, seed = 1): CoreRig {
    const rig = new CoreRig(config, seed);
    rig.start();
    rig.hear(...names.map((name) => alive(name)));
    rig.drain();
    rig.answering = false;
    rig.take();
    return rig;
  }

  start(incarnation = 1, reserved = 0xffff_ffff): void {
    this.input({ type: 'START', address: { host: '10.0.0.254', port: 7946 }, incarnation, reserved });
  }

  input(input: SwimInput | TimerInput): void {
    this.core.handle(input, this.nowMs, this.#out);
    for (let seqNo = this.#acks.shift(); seqNo !== undefined; seqNo = this.#acks.shift())
      this.hear({ type: 'ack', seqNo, payload: noBytes });
  }

  hear(...messages: Message[]): void {
    this.input({ type: 'PACKET', from: addressOf('other'), messages, rejected: [] });
  }

  /** Lets time pass, firing what is due, in order. */
  run(ms: number): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      const [next] = [...this.#timers].filter(([, dueMs]) => dueMs <= endMs).sort((a, b) => a[1] - b[1]);
      if (next === undefined) break;
      const [timer, dueMs] = next;
      this.#timers.delete(timer);
      this.nowMs = Math.max(this.nowMs, dueMs);
      this.input({ type: 'TIMER', timer });
    }
    this.nowMs = endMs;
  }

  /** Runs until an effect of this type comes; gives it. */
  until<T extends Effect['type']>(
    type: T,
    withinMs: number,
    matches: (effect: Of<T>) => boolean = () => true,
  ): Of<T> {
    const endMs = this.nowMs + withinMs;
    for (;;) {
      const found = this.said(type).find(matches);
      if (found !== undefined) return found;
      const dueMs = Math.min(...this.#timers.values());
      if (dueMs > endMs) throw new Error(`no ${type} within ${withinMs} ms`);
      this.run(dueMs - this.nowMs);
    }
  }

  /** Empties the broadcast queue, so that it does not ride on what is looked at. */
  drain(): void {
    for (let i = 0; i < 100 && this.news.length > 0; i++) this.run(200);
  }

  /** Claims about others that wait to be gossiped. */
  get news(): Message[] {
    return this.core.broadcasts().filter((message) => !('node' in message) || message.node !== 'me');
  }

  get timers(): ReadonlyMap<string, number> {
    return this.#timers;
  }

  said<T extends Effect['type']>(type: T): Of<T>[] {
    return this.#said.filter((effect): effect is Of<T> => effect.type === type);
  }

  /** Messages of a kind that were sent, with their receivers. */
  sent<T extends Message['type']>(type: T): { to: string; message: Extract<Message, { type: T }> }[] {
    return this.said('send').flatMap(({ to, messages }) =>
      messages
        .filter((message): message is Extract<Message, { type: T }> => message.type === type)
        .map((message) => ({ to: to.host, message })),
    );
  }

  /** Events so far, as `Suspect a`. */
  get events(): string[] {
    return this.said('notify').map(({ notice, member }) => `${notice} ${member.name}`);
  }

  get rejections(): string[] {
    return this.said('countRejected').map(({ reason }) => reason);
  }

  take(): Effect[] {
    const said = this.#said;
    this.#said = [];
    return said;
  }

  stateOf(name: string): string | undefined {
    return this.core.members(this.nowMs).find((member) => member.name === name)?.state;
  }

  incarnationOf(name: string): number | undefined {
    return this.core.members(this.nowMs).find((member) => member.name === name)?.incarnation;
  }

  #hear(effect: Effect): void {
    this.#said.push(effect);
    const [ping] = effect.type === 'send' ? effect.messages : [];
    if (this.answering && ping?.type === 'ping') this.#acks.push(ping.seqNo);
    if (effect.type === 'setTimer') this.#timers.set(effect.timer, this.nowMs + effect.delayMs);
    if (effect.type === 'cancelTimer') this.#timers.delete(effect.timer);
  }
}
