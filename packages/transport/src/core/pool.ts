/** Who is known, and of each its place in the pool, its breaker and its session. */
import { type ActionOf, MachineInstance, type Sink, Stepper } from '@cluster/core';
import { backoffDelayMs } from './backoff.ts';
import { breakerMachine } from './breaker.machine.ts';
import { isOver, newPeer, type Peer, type PeerMachines, type TransportCoreConfig } from './entities.ts';
import { type Line, lineOf, type PeerRole } from './identity.ts';
import { poolEntryMachine } from './pool-entry.machine.ts';
import type { TransportEffect } from './protocol.ts';
import { duplicateCode, isDefinitive, type Refusal, unreachable } from './refusal.ts';
import { sessionMachine } from './session.machine.ts';

type Out = Sink<TransportEffect>;
const entryStepper = new Stepper(poolEntryMachine);
const breakerStepper = new Stepper(breakerMachine);
const sessionStepper = new Stepper(sessionMachine);

export interface PoolOwner {
  dial(peer: Peer, nowMs: number, out: Out): void;
  performSession(peer: Peer, action: ActionOf<typeof sessionMachine>, nowMs: number, out: Out): void;
}

export class Pool {
  readonly #config: TransportCoreConfig;
  readonly #owner: PoolOwner;
  readonly #peers = new Map<string, Peer>();

  constructor(config: TransportCoreConfig, owner: PoolOwner) {
    this.#config = config;
    this.#owner = owner;
  }

  get peers(): ReadonlyMap<string, Peer> {
    return this.#peers;
  }

  get size(): number {
    return this.#peers.size;
  }

  /** There is no room for another: each line of a peer has a place of its own. */
  isFull(line: Line): boolean {
    return this.#isTaken(line) && !this.#of(line).some(isOver);
  }

  get(key: string): Peer | undefined {
    return this.#peers.get(key);
  }

  restore(peers: ReadonlyMap<string, Peer>): void {
    this.#peers.clear();
    for (const [key, peer] of peers) this.#peers.set(key, peer);
  }

  /** Null when there is no room. */
  getOrAdd(key: string, role: PeerRole, nowMs: number, out: Out): Peer | null {
    const known = this.#peers.get(key);
    if (known !== undefined) return known;
    const line = lineOf(key);
    if (this.#isTaken(line) && !this.#makeRoom(line, out)) return null;
    const peer = newPeer(key, role, this.machinesOf(key));
    this.#peers.set(key, peer);
    peer.entry.start(this.#config, nowMs, out);
    peer.breaker.start(this.#config, nowMs, out);
    peer.session.start(this.#config, nowMs, out);
    return peer;
  }

  machinesOf(key: string): PeerMachines {
    // The assigns of the machines are xstate's own and never arrive here.
    return {
      entry: new MachineInstance(`pool:${key}`, entryStepper, (action, nowMs, out) => {
        const peer = this.#peers.get(key);
        if (peer !== undefined && action.type === 'dial') this.#owner.dial(peer, nowMs, out);
      }),
      breaker: new MachineInstance(`breaker:${key}`, breakerStepper, (action, nowMs, out) => {
        const peer = this.#peers.get(key);
        if (peer === undefined) return;
        if (action.type === 'probe') peer.entry.send({ type: 'NEEDED' }, nowMs, out);
        else if (action.type === 'giveUp') this.#giveUp(peer, nowMs, out);
      }),
      session: new MachineInstance(`session:${key}`, sessionStepper, (action, nowMs, out) => {
        const peer = this.#peers.get(key);
        if (peer !== undefined) this.#owner.performSession(peer, action, nowMs, out);
      }),
    };
  }

  fire(timer: string, nowMs: number, out: Out): void {
    // A client's key has a slash of its own, so the name of a timer does not say whose it is.
    for (const { entry, breaker, session } of this.#peers.values()) {
      if ([entry, breaker, session].some((machine) => machine.fire(timer, nowMs, out))) return;
    }
  }

  /** Something waits for the peer. */
  need({ entry, breaker }: Peer, nowMs: number, out: Out): void {
    if (breaker.in('closed')) entry.send({ type: 'NEEDED' }, nowMs, out);
    else breaker.send({ type: 'ASKED' }, nowMs, out);
  }

  /** Callers are told at once that it cannot be reached. */
  isShut(key: string): boolean {
    const breaker = this.#peers.get(key)?.breaker;
    return breaker !== undefined && (breaker.in('open') || breaker.in('halfOpen.probing'));
  }

  /** It would be probed when the wait is over, if somebody asked. */
  awaitsAsker(key: string): boolean {
    const breaker = this.#peers.get(key)?.breaker;
    return breaker !== undefined && breaker.in('open') && !breaker.context.isAsked;
  }

  attached({ entry, breaker }: Peer, nowMs: number, out: Out): void {
    breaker.send({ type: 'SUCCEEDED' }, nowMs, out);
    entry.send({ type: 'ATTACHED' }, nowMs, out);
  }

  lost({ entry }: Peer, redial: boolean, draw: number, nowMs: number, out: Out): void {
    // The first dial after a loss comes soon: most losses are of the connection, not of the peer.
    entry.send({ type: 'LOST', redial, delayMs: backoffDelayMs(0, draw, this.#config) }, nowMs, out);
  }

  dialFailed(peer: Peer, refusal: Refusal, draw: number, nowMs: number, out: Out): void {
    const { entry, breaker, open } = peer;
    if (refusal.code === duplicateCode) {
      entry.send({ type: 'YIELDED' }, nowMs, out);
      return;
    }
    if (open !== null) {
      // Only the next connection could not be made: the peer can be reached by the one there is.
      entry.send({ type: 'DIAL_FAILED', again: false, delayMs: 0 }, nowMs, out);
      return;
    }
    breaker.send({ type: 'FAILED', definitive: isDefinitive(refusal), draw }, nowMs, out);
    const { delayMs } = breaker.context;
    entry.send({ type: 'DIAL_FAILED', again: breaker.in('closed'), delayMs }, nowMs, out);
  }

  /** A peer is forgotten when nothing of it is left, so that passing clients leave no trace. */
  sweep(out: Out): void {
    for (const peer of this.#peers.values()) {
      // Who could not be reached is remembered, so that the next dial waits its turn.
      if (isOver(peer) && peer.breaker.context.failures === 0) this.#forget(peer, out);
    }
  }

  /** Nobody is dialled any more. */
  stop(out: Out): void {
    for (const { entry, breaker } of this.#peers.values()) {
      entry.stop(out);
      breaker.stop(out);
    }
  }

  #giveUp(peer: Peer, nowMs: number, out: Out): void {
    peer.session.send({ type: 'GAVE_UP' }, nowMs, out);
    out.emit({ type: 'giveUp', peer: peer.key, refusal: peer.lastRefusal ?? unreachable });
  }

  #of(line: Line): readonly Peer[] {
    return [...this.#peers.values()].filter(({ key }) => lineOf(key) === line);
  }

  #isTaken(line: Line): boolean {
    const { peersMax } = this.#config;
    return this.#peers.size >= peersMax && this.#of(line).length >= peersMax;
  }

  /** Forgets a peer of which nothing is left but its failures. */
  #makeRoom(line: Line, out: Out): boolean {
    for (const peer of this.#of(line)) {
      if (!isOver(peer)) continue;
      this.#forget(peer, out);
      return true;
    }
    return false;
  }

  #forget({ key, entry, breaker, session }: Peer, out: Out): void {
    for (const machine of [entry, breaker, session]) machine.stop(out);
    this.#peers.delete(key);
    out.emit({ type: 'forget', peer: key });
  }
}
