/**
 * Clients that write through whatever replica comes to mind, and try again until they are told.
 *
 * A client is a node of its own: what it asks and hears goes through the simulated network, and may be lost, late or doubled. It
 * numbers its operations within a session, so that trying again is harmless; some it makes without a session, once and no more.
 */
import { type ClusterError, type Outcome, Prng } from '@cluster/core';
import type { MessagePort, NodePorts, World } from '@cluster/sim';
import type { SessionKey } from '@cluster/raft';
import {
  decodeNumber,
  encodeCommand,
  encodeNumber,
  hasWritten,
  registerKeys,
  type RegisterValue,
  type RegisterWrite,
  unwritten,
} from './commands.ts';
import type { History } from './history.ts';
import type { RegisterCall } from './register-history.ts';

type Ask =
  | { readonly type: 'open' }
  /** A point behind everything that was acknowledged before the question. */
  | { readonly type: 'barrier'; readonly behind: number }
  /** The state of a replica, which has to hold all that anybody was told of before the question; and a register of it. */
  | {
      readonly type: 'read';
      readonly key: number;
      readonly behind: number;
      readonly consistency: 'linearizable' | 'lease';
    }
  | { readonly type: 'write'; readonly command: Uint8Array; readonly session: SessionKey | null };

export type Reply =
  | { readonly type: 'opened'; readonly clientId: number }
  | { readonly type: 'passed'; readonly index: number; readonly appliedIndex: number }
  | {
      readonly type: 'read';
      readonly index: number;
      readonly appliedIndex: number;
      readonly value: RegisterValue;
    }
  | { readonly type: 'written'; readonly index: number; readonly result: Uint8Array }
  | { readonly type: 'refused'; readonly code: string; readonly retry: ClusterError['retry'] };

interface Request {
  readonly ask: Ask;
  /** A request without session is put to a replica once, though the network doubles it. */
  taken: boolean;
  reply: Reply | null;
}

/** What a replica offers to its clients. */
export interface Service {
  propose(
    command: Uint8Array,
    options: { readonly session?: SessionKey; readonly timeoutMs: number },
    done: (outcome: Outcome<{ readonly index: number; readonly result: Uint8Array }>) => void,
  ): void;
  openSession(done: (outcome: Outcome<number>) => void): void;
  barrier(done: (outcome: Outcome<number>) => void): void;
  read(
    done: (outcome: Outcome<number>) => void,
    options: { readonly consistency: 'linearizable' | 'lease' },
  ): void;
  status(): { readonly appliedIndex: number };
}

/** A register of a replica's state machine, as it is now. */
export type Registers = (key: number) => RegisterValue;

const attemptMs = 400;
const thinkMs = 40;
const sessionlessRate = 0.2;
const barrierRate = 0.1;
const readRate = 0.3;
const leaseRate = 0.7;
const swapRate = 0.4;

/** The requests to a group, by number; the network carries the numbers. */
export class Requests {
  readonly topic: string;
  readonly #requests: Request[] = [];

  /** @param topic differs between the groups of a world. */
  constructor(topic = 'clients') {
    this.topic = topic;
  }

  add(ask: Ask): number {
    return this.#requests.push({ ask, taken: false, reply: null }) - 1;
  }

  get(number: number): Request {
    return this.#requests[number] as Request;
  }

  /** Has a replica answer what reaches its node. */
  serve(ports: NodePorts, service: Service, registers: Registers): void {
    const channel = ports.messages(this.topic);
    channel.onMessage((from, bytes) => {
      const number = decodeNumber(bytes);
      const request = this.get(number);
      const once = request.ask.type === 'write' && request.ask.session === null;
      if (once && request.taken) return;
      request.taken = true;
      answer(service, registers, request.ask, (reply) => {
        request.reply ??= reply;
        channel.send(from, encodeNumber(number));
      });
    });
  }
}

function answer(service: Service, registers: Registers, ask: Ask, reply: (reply: Reply) => void): void {
  const refuse = (error: ClusterError): void =>
    reply({ type: 'refused', code: error.code, retry: error.retry });
  if (ask.type === 'open') {
    service.openSession((outcome) =>
      outcome.ok ? reply({ type: 'opened', clientId: outcome.value }) : refuse(outcome.error),
    );
    return;
  }
  if (ask.type === 'barrier') {
    service.barrier((outcome) => {
      if (!outcome.ok) return refuse(outcome.error);
      reply({ type: 'passed', index: outcome.value, appliedIndex: service.status().appliedIndex });
    });
    return;
  }
  if (ask.type === 'read') {
    service.read((outcome) => {
      if (!outcome.ok) return refuse(outcome.error);
      const { appliedIndex } = service.status();
      reply({ type: 'read', index: outcome.value, appliedIndex, value: registers(ask.key) });
    }, ask);
    return;
  }
  const { command, session } = ask;
  service.propose(command, { timeoutMs: attemptMs, ...(session === null ? {} : { session }) }, (outcome) => {
    if (outcome.ok) reply({ type: 'written', index: outcome.value.index, result: outcome.value.result });
    else refuse(outcome.error);
  });
}

export interface ClientOptions {
  readonly requests: Requests;
  readonly servers: readonly string[];
  readonly history: History;
  readonly nextOperation: () => number;
  /** There are fewer sessions than clients: theirs are closed while they use them. */
  readonly sessionsExpire: boolean;
}

export class Client {
  readonly #world: World;
  readonly #ports: NodePorts;
  readonly #channel: MessagePort;
  readonly #requests: Requests;
  readonly #servers: readonly string[];
  readonly #history: History;
  readonly #nextOperation: () => number;
  readonly #sessionsExpire: boolean;
  readonly #prng: Prng;
  /** Which register, and what with it. */
  readonly #registerPrng: Prng;
  /** What it has last seen of each. */
  readonly #known = new Map<number, RegisterValue>();
  /** Among those of the registers' history. */
  #number: number;
  #write: RegisterWrite = { key: 0, expect: null };
  #call: RegisterCall | null = null;
  #askedMs = 0;
  #clientId: number | null = null;
  #sequence = 0;
  #operation = 0;
  #ask: Ask = { type: 'open' };
  #attempt = 0;
  #awaited = -1;
  #halted = false;

  constructor(world: World, ports: NodePorts, options: ClientOptions) {
    const { requests, servers, history, nextOperation, sessionsExpire } = options;
    this.#world = world;
    this.#ports = ports;
    this.#sessionsExpire = sessionsExpire;
    this.#requests = requests;
    this.#servers = servers;
    this.#history = history;
    this.#nextOperation = nextOperation;
    this.#prng = Prng.fromSeed(ports.seed, 'client');
    this.#registerPrng = Prng.fromSeed(ports.seed, 'registers');
    this.#number = history.registers.newClient();
    this.#channel = ports.messages(requests.topic);
    this.#channel.onMessage((_from, bytes) => this.#heard(decodeNumber(bytes)));
    this.#try();
  }

  /** Makes no further operations once it has been told of the current one. */
  halt(): void {
    this.#halted = true;
  }

  /** Makes further operations after it was halted. */
  goOn(): void {
    this.#halted = false;
    this.#next();
  }

  #try(): void {
    const attempt = ++this.#attempt;
    this.#askedMs = this.#world.nowMs;
    this.#awaited = this.#requests.add(this.#ask);
    const server = this.#prng.pick(this.#servers) ?? '';
    this.#channel.send(server, encodeNumber(this.#awaited));
    this.#ports.clock.setTimer(attemptMs * (1 + this.#prng.float()), () => {
      if (attempt === this.#attempt) this.#unanswered();
    });
  }

  /** No answer, or one that leaves it open: with a session it is harmless to ask again. */
  #unanswered(): void {
    if (this.#ask.type === 'write' && this.#ask.session === null) {
      this.#giveUp();
      return this.#next();
    }
    this.#world.counters.add('retries');
    this.#try();
  }

  #heard(number: number): void {
    const { reply } = this.#requests.get(number);
    if (number !== this.#awaited || reply === null) return;
    this.#awaited = -1;
    this.#attempt++;
    switch (reply.type) {
      case 'opened':
        this.#clientId = reply.clientId;
        this.#sequence = 0;
        return this.#next();
      case 'passed':
        if (this.#ask.type === 'barrier') this.#history.passed(this.#ports.name, this.#ask.behind, reply);
        return this.#next();
      case 'read':
        if (this.#ask.type === 'read') this.#hasRead(this.#ask, reply);
        return this.#next();
      case 'written':
        this.#history.told(this.#ports.name, this.#operation, reply.index, reply.result);
        this.#hasWritten(reply.result);
        return this.#next();
      case 'refused':
        return this.#refused(reply);
      default:
    }
  }

  #hasRead({ key, behind }: Ask & { type: 'read' }, reply: Reply & { type: 'read' }): void {
    this.#history.read(this.#ports.name, behind, reply);
    this.#history.registers.saw(this.#number, key, reply.value, this.#askedMs);
    this.#known.set(key, reply.value);
  }

  #hasWritten(result: Uint8Array): void {
    if (this.#call !== null) this.#history.registers.wrote(this.#call, hasWritten(result));
    this.#call = null;
    if (hasWritten(result)) this.#known.set(this.#write.key, this.#operation);
    else this.#known.delete(this.#write.key);
  }

  /** What it has asked for may happen yet, or never: whoever goes on is another client. */
  #giveUp(): void {
    this.#call = null;
    this.#number = this.#history.registers.newClient();
  }

  #refused({ code, retry }: Reply & { type: 'refused' }): void {
    this.#world.counters.add('refused');
    if (code === 'RAFT_SESSION_EXPIRED') return this.#expired();
    if (this.#ask.type === 'write' && this.#ask.session === null && retry === 'safe') {
      this.#history.refused(this.#ports.name, this.#operation);
      if (this.#call !== null) this.#history.registers.wroteNothing(this.#call);
    }
    const attempt = ++this.#attempt;
    this.#ports.clock.setTimer(this.#prng.exponential(thinkMs), () => {
      if (attempt === this.#attempt) this.#unanswered();
    });
  }

  /** Whether it was done in an earlier attempt nobody can tell any more: it is given up, and not made again in another session. */
  #expired(): void {
    if (!this.#sessionsExpire) {
      this.#world.fail('a session that is in use does not expire', `${this.#ports.name}'s did`);
      return;
    }
    this.#world.counters.add('expired');
    this.#giveUp();
    this.#clientId = null;
    if (this.#halted) return;
    this.#ask = { type: 'open' };
    this.#try();
  }

  #next(): void {
    if (this.#halted) return;
    const attempt = ++this.#attempt;
    this.#ports.clock.setTimer(this.#prng.exponential(thinkMs), () => {
      if (attempt !== this.#attempt) return;
      if (this.#prng.chance(barrierRate)) {
        this.#ask = { type: 'barrier', behind: this.#history.acknowledgedIndex };
        return this.#try();
      }
      if (this.#prng.chance(readRate)) {
        const consistency = this.#prng.chance(leaseRate) ? 'lease' : 'linearizable';
        const key = this.#registerPrng.pick(registerKeys) ?? 0;
        this.#ask = { type: 'read', key, behind: this.#history.observedIndex, consistency };
        return this.#try();
      }
      this.#operation = this.#nextOperation();
      const inSession = this.#clientId !== null && !this.#prng.chance(sessionlessRate);
      const session =
        inSession && this.#clientId !== null
          ? { clientId: this.#clientId, sequence: ++this.#sequence }
          : null;
      this.#write = this.#drawWrite();
      this.#call = this.#history.registers.writes(this.#number, this.#operation, this.#write);
      this.#ask = { type: 'write', command: encodeCommand(this.#operation, this.#write), session };
      this.#try();
    });
  }

  #drawWrite(): RegisterWrite {
    const key = this.#registerPrng.pick(registerKeys) ?? 0;
    const swaps = this.#registerPrng.chance(swapRate);
    return { key, expect: swaps ? (this.#known.get(key) ?? unwritten) : null };
  }
}
