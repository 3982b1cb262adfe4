/**
 * The control core: every connection, pool entry and session of a node, and how they hang together.
 *
 * A *pool entry* dials its peer when it is needed, if the *breaker* allows; a *connection* is one stream to it, ours or theirs; a
 * *session* outlives connections and carries the messages. Two peers that dial each other at once settle on the dial of the lower node id, judged when the
 * other's HELLO arrives: by then each side knows of both.
 */
import {
  MachineInstance,
  Prng,
  type ProtocolCore,
  type Sink,
  Stepper,
  type TimerInput,
  type ActionOf,
} from '@cluster/core';
import { acceptSession, chooseSession, judgeAdmission, judgeIdentity, tooManyPeers } from './admission.ts';
import { connectionMachine, type ConnectionEvent } from './connection.machine.ts';
import { packState, unpackState } from './checkpoint.ts';
import {
  type Connection,
  type Machine,
  newConnection,
  newSessionId,
  type Peer,
  type TransportCoreConfig,
} from './entities.ts';
import { type Hello, makeHello } from './handshake.ts';
import { hear } from './hearing.ts';
import { lineOf, peerKey, peerOf } from './identity.ts';
import { PastSessions } from './past-sessions.ts';
import { Pool } from './pool.ts';
import type { TransportEffect, TransportInput } from './protocol.ts';
import { connectionIdle, controlFlood, peerLeft, type Refusal, shutDown, superseded } from './refusal.ts';
import type { sessionMachine } from './session.machine.ts';
import { StreamTable } from './stream-table.ts';

type Out = Sink<TransportEffect>;
const connectionStepper = new Stepper(connectionMachine);

export class TransportCore implements ProtocolCore<TransportInput, TransportEffect> {
  readonly #config: TransportCoreConfig;
  readonly #prng: Prng;
  readonly #connections = new Map<number, Connection>();
  readonly #pool: Pool;
  readonly #streams = new StreamTable();
  readonly #past: PastSessions;
  #dialled = 0;
  #stopping = false;
  #stopped = false;

  constructor(config: TransportCoreConfig) {
    this.#config = config;
    this.#prng = Prng.fromSeed(config.seed, config.nodeId);
    this.#past = new PastSessions(config);
    this.#pool = new Pool(config, {
      dial: (peer, nowMs, out) => this.#dial(peer, nowMs, out),
      performSession: (peer, action, nowMs, out) => this.#performSession(peer, action, nowMs, out),
    });
  }

  handle(input: TransportInput | TimerInput, nowMs: number, out: Out): void {
    if (input.type === 'TIMER') this.#fire(input.timer, nowMs, out);
    else if (input.type === 'STREAM') {
      this.#streams.handle(input, nowMs, out);
      return;
    } else if (input.type === 'NEEDED') this.#need(input.peer, nowMs, out);
    else if (input.type === 'ACCEPTED') this.#accept(input, nowMs, out);
    else if (input.type === 'AGED') this.#renew(input.connection, nowMs, out);
    else if (input.type === 'SHUTDOWN') this.#shutdown(nowMs, out);
    else {
      const connection = this.#connections.get(input.connection);
      // Closed meanwhile: nobody is interested.
      if (connection === undefined) return;
      hear(connection, input, this.#config, (hello) => this.#judge(connection, hello, nowMs), nowMs, out);
    }
    this.#sweep(out);
  }

  /** Words for people: where a peer's machines are, e.g. `connected`. */
  entryState(peer: string): string {
    return this.#pool.get(peer)?.entry.state ?? 'idle';
  }

  breakerState(peer: string): string {
    return this.#pool.get(peer)?.breaker.state ?? 'closed';
  }

  sessionState(peer: string): string {
    return this.#pool.get(peer)?.session.state ?? 'absent';
  }

  /** It cannot be reached: callers are told at once. */
  isShut(peer: string): boolean {
    return this.#pool.isShut(peer);
  }

  /** It is shut, and NEEDED would have it probed when its wait is over. */
  awaitsAsker(peer: string): boolean {
    return this.#pool.awaitsAsker(peer);
  }

  checkpoint(): Uint8Array {
    return packState({
      prng: this.#prng.state,
      connections: this.#connections,
      peers: this.#pool.peers,
      streams: this.#streams.checkpoint(),
      past: this.#past.checkpoint(),
      dialled: this.#dialled,
      stopping: this.#stopping,
      stopped: this.#stopped,
    });
  }

  restore(bytes: Uint8Array): void {
    const state = unpackState(
      bytes,
      (id) => this.#connectionMachine(id),
      (key) => this.#pool.machinesOf(key),
    );
    this.#prng.restore(state.prng);
    this.#connections.clear();
    for (const [id, connection] of state.connections) this.#connections.set(id, connection);
    this.#pool.restore(state.peers);
    this.#streams.restore(state.streams);
    this.#past.restore(state.past);
    this.#dialled = state.dialled;
    this.#stopping = state.stopping;
    this.#stopped = state.stopped;
  }

  #need(key: string, nowMs: number, out: Out): void {
    if (this.#stopping) return;
    const peer = this.#pool.getOrAdd(key, 'node', nowMs, out);
    if (peer !== null) this.#pool.need(peer, nowMs, out);
    else out.emit({ type: 'giveUp', peer: key, refusal: tooManyPeers(this.#pool.size) });
  }

  /** The next connection is made before this one is closed: what is under way on it goes on there. Clients cannot be dialled. */
  #renew(id: number, nowMs: number, out: Out): void {
    const connection = this.#connections.get(id);
    const peer = connection?.peer == null ? undefined : this.#pool.get(connection.peer);
    if (peer?.open !== id || peer.role !== 'node' || this.#stopping) return;
    peer.entry.send({ type: 'AGED' }, nowMs, out);
  }

  #fire(timer: string, nowMs: number, out: Out): void {
    const [owner = ''] = timer.split('/', 1);
    const [kind, id = ''] = owner.split(':');
    if (kind === 'connection') this.#connections.get(Number(id))?.machine.fire(timer, nowMs, out);
    else this.#pool.fire(timer, nowMs, out);
  }

  #judge(connection: Connection, hello: Hello, nowMs: number): Refusal | null {
    const { identity } = connection;
    const key = connection.peer ?? (identity === null ? null : peerKey(identity, hello.line));
    const peer = key === null ? undefined : this.#pool.get(key);
    const ours = peer?.dialing == null ? undefined : this.#connections.get(peer.dialing);
    const party = {
      ...this.#config,
      full: this.#pool.isFull(hello.line),
      peers: this.#pool.size,
      greeting: ours?.machine.in('greeting') ?? false,
    };
    const refusal = judgeAdmission(connection, hello, peer, party);
    if (refusal !== null || key === null) return refusal;
    return this.#past.judge(key, hello.bootId, connection.dialled ? null : hello.proposedId, nowMs);
  }

  #accept(input: Extract<TransportInput, { type: 'ACCEPTED' }>, nowMs: number, out: Out): void {
    const { connection: id, identity, refusal } = input;
    const verdict = this.#stopping ? shutDown : (refusal ?? judgeIdentity(identity, this.#config, null));
    const connection = this.#connect(id, null, nowMs, out);
    connection.identity = identity;
    connection.refusal = verdict;
    connection.machine.send({ type: 'ACCEPT', refusal: verdict }, nowMs, out);
  }

  #connect(id: number, peer: string | null, nowMs: number, out: Out): Connection {
    const connection = newConnection(id, peer, this.#connectionMachine(id));
    this.#connections.set(id, connection);
    connection.machine.start(this.#config, nowMs, out);
    return connection;
  }

  #connectionMachine(id: number): Machine<typeof connectionMachine> {
    return new MachineInstance(`connection:${id}`, connectionStepper, (action, nowMs, out) => {
      const connection = this.#connections.get(id);
      if (connection !== undefined) this.#perform(connection, action, nowMs, out);
    });
  }

  #perform(
    connection: Connection,
    action: ActionOf<typeof connectionMachine>,
    nowMs: number,
    out: Out,
  ): void {
    const { id } = connection;
    switch (action.type) {
      case 'openStream':
        out.emit({ type: 'dial', connection: id, peer: connection.peer ?? '' });
        return;
      case 'sendHello': {
        const peer = connection.peer === null ? undefined : this.#pool.get(connection.peer);
        if (peer === undefined) return;
        const sessionId = peer.session.in('absent') ? null : peer.sessionId;
        peer.proposedId ??= newSessionId(this.#prng);
        const { key, proposedId } = peer;
        const hello = makeHello(this.#config, peerOf(key), lineOf(key), sessionId, proposedId);
        out.emit({ type: 'sendHello', connection: id, peer: peer.key, hello, resumes: sessionId !== null });
        return;
      }
      case 'admit':
        this.#admit(connection, nowMs, out);
        return;
      case 'sendRefused':
        out.emit({ type: 'sendRefused', connection: id, refusal: connection.refusal ?? shutDown });
        return;
      case 'blame':
        connection.refusal ??= action.params.refusal;
        return;
      case 'drain':
        out.emit({ type: 'drain', connection: id, peer: connection.peer ?? '' });
        return;
      case 'finish':
        this.#finish(connection, nowMs, out);
        return;
      case 'sendPing':
      case 'sendGoaway':
      case 'retire':
      case 'closeStream':
        out.emit({ type: action.type, connection: id });
    }
  }

  #admit(connection: Connection, nowMs: number, out: Out): void {
    const { id, hello, identity } = connection;
    if (hello === null || identity === null) return;
    const key = connection.peer ?? peerKey(identity, hello.line);
    const peer = this.#pool.getOrAdd(key, identity.role, nowMs, out);
    if (peer === null) return;
    connection.peer = key;
    connection.admitted = true;
    const choice = connection.dialled
      ? acceptSession(peer, hello)
      : chooseSession(peer, hello, () => newSessionId(this.#prng));
    if (choice === null) return;
    const { resumes } = choice;
    const rivals = [peer.open, peer.dialing].filter((rival) => rival !== null && rival !== id);
    const wasOpen = peer.open !== null;
    peer.open = id;
    peer.dialing = null;
    peer.lastRefusal = null;
    for (const rival of rivals)
      if (rival !== null) this.#supersede(rival, resumes && !connection.dialled, nowMs, out);
    this.#past.admitted(key, hello.bootId, peer.bootId, nowMs);
    if (!resumes && !peer.session.in('absent')) this.#forgetSession(peer, nowMs);
    peer.bootId = hello.bootId;
    peer.sessionId = choice.sessionId;
    connection.peerReceived = choice.received;
    const outdatedId = peer.proposedId;
    if (!resumes || !connection.dialled) peer.proposedId = null;
    if (connection.dialled) peer.outdatedId = hello.proposedId;
    else {
      const answer = makeHello(this.#config, identity.id, lineOf(key), choice.sessionId, outdatedId);
      out.emit({ type: 'sendHelloAck', connection: id, peer: key, hello: answer, resumes });
    }
    if (wasOpen && !resumes) out.emit({ type: 'peerDown', peer: key, refusal: superseded });
    peer.session.send({ type: resumes ? 'RESUMED' : 'STARTED' }, nowMs, out);
    this.#pool.attached(peer, nowMs, out);
    if (!wasOpen || !resumes) {
      out.emit({ type: 'peerUp', peer: key, role: identity.role, resumed: resumes });
    }
  }

  /** @param renews the peer has dialled the new connection to go on with the session. */
  #supersede(id: number, renews: boolean, nowMs: number, out: Out): void {
    const rival = this.#connections.get(id);
    if (rival === undefined) return;
    rival.refusal ??= superseded;
    const mayGo = renews && rival.machine.in('open');
    rival.machine.send({ type: mayGo ? 'RETIRED' : 'SUPERSEDED' }, nowMs, out);
  }

  /** Nothing goes on with it, and nothing begins under its name. */
  #forgetSession({ key, bootId, sessionId }: Peer, nowMs: number): void {
    if (bootId !== null && sessionId !== null) this.#past.ended(key, bootId, sessionId, nowMs);
  }

  #performSession(peer: Peer, action: ActionOf<typeof sessionMachine>, nowMs: number, out: Out): void {
    switch (action.type) {
      case 'begin':
      case 'resume': {
        const connection = peer.open === null ? undefined : this.#connections.get(peer.open);
        if (connection?.hello == null) return;
        out.emit({
          type: 'attach',
          connection: connection.id,
          peer: peer.key,
          role: peer.role,
          resumed: action.type === 'resume',
          received: connection.peerReceived,
          limits: connection.hello.limits,
          capabilities: connection.hello.capabilities,
        });
        return;
      }
      case 'detach':
        out.emit({ type: 'detach', peer: peer.key });
        return;
      case 'lose': {
        const { why, keepQueued } = action.params;
        // Where another has begun, that is what the peer stands for now.
        if (why !== 'the peer began anew') this.#forgetSession(peer, nowMs);
        // What has asked for a connection just before waits for that, which tells what becomes of it.
        const isAwaited = why === 'it was not resumed in time' && peer.entry.state !== 'idle';
        const { lastRefusal: refusal } = peer;
        out.emit({ type: 'lose', peer: peer.key, why, keepQueued: keepQueued || isAwaited, refusal });
      }
    }
  }

  #dial(peer: Peer, nowMs: number, out: Out): void {
    this.#dialled += 2;
    peer.dialing = this.#dialled;
    this.#connect(this.#dialled, peer.key, nowMs, out).machine.send({ type: 'DIAL' }, nowMs, out);
  }

  /** A connection carries nothing any more: its peer's machines hear of it, unless another has taken its place. */
  #finish(connection: Connection, nowMs: number, out: Out): void {
    if (connection.finished) return;
    connection.finished = true;
    const { id, dialled, admitted } = connection;
    const refusal = connection.refusal ?? shutDown;
    const peer = connection.peer === null ? undefined : this.#pool.get(connection.peer);
    if (!admitted && refusal.code !== superseded.code) {
      out.emit({ type: 'handshakeFailed', connection: id, dialled, peer: connection.peer, refusal });
    }
    if (peer === undefined) return;
    const draw = this.#prng.float();
    if (peer.open === id) {
      peer.open = null;
      peer.lastRefusal = refusal;
      const orderly = refusal.code === peerLeft.code || refusal.code === shutDown.code;
      // An unused one is made again when somebody needs it.
      const isWanted = !orderly && refusal.code !== connectionIdle.code;
      const redial = connection.redial && peer.role === 'node' && isWanted && !this.#stopping;
      // What a flood has left must not wait for the next connection, and grow there.
      const isOver = orderly || refusal.code === controlFlood.code;
      peer.session.send({ type: isOver ? 'ENDED' : 'INTERRUPTED' }, nowMs, out);
      out.emit({ type: 'peerDown', peer: peer.key, refusal });
      this.#pool.lost(peer, redial, draw, nowMs, out);
    } else if (peer.dialing === id) {
      peer.dialing = null;
      peer.lastRefusal = refusal;
      // Begun at the peer and over before we heard of it: the next needs another name.
      if (refusal.code === 'TRANSPORT_SESSION_ENDED') peer.proposedId = null;
      this.#pool.dialFailed(peer, refusal, draw, nowMs, out);
    }
  }

  #shutdown(nowMs: number, out: Out): void {
    this.#stopping = true;
    for (const connection of this.#connections.values()) {
      connection.refusal ??= shutDown;
      connection.machine.send({ type: 'SHUTDOWN' } satisfies ConnectionEvent, nowMs, out);
    }
    // Last: a dial that ends here would have its entry wait for the next.
    this.#pool.stop(out);
  }

  /** Drops what has ended. */
  #sweep(out: Out): void {
    for (const [id, { machine }] of this.#connections) {
      if (!machine.in('closed')) continue;
      machine.stop(out);
      this.#connections.delete(id);
    }
    this.#pool.sweep(out);
    if (this.#stopping && !this.#stopped && this.#connections.size === 0) {
      this.#stopped = true;
      out.emit({ type: 'stopped' });
    }
  }
}
