/**
 * Where the stories play: several cores, a network that loses and holds back what a story says, and a record of who said what to
 * whom. Messages arrive at once and in order unless a story says otherwise; time passes only where it says so.
 */
import type { CoreConfig, MemberKind, RaftEffect, RaftMessage, Transition } from '../../src/index.ts';
import { Actor } from './actor.ts';
import {
  answerInWords,
  draftInWords,
  entryInWords,
  isRoutine,
  membersInWords,
  messageInWords,
  place,
} from './sentences.ts';

interface Flight {
  readonly from: string;
  readonly to: string;
  readonly message: RaftMessage;
}

interface Line {
  readonly atMs: number;
  readonly who: string;
  readonly to: string[];
  readonly words: string;
}

export class Stage {
  nowMs = 0;
  readonly #actors = new Map<string, Actor>();
  readonly #config: Partial<CoreConfig>;
  readonly #snapshots: Parameters<Actor['serve']>[1] = new Map();
  readonly #agreed = new Map<number, string>();
  readonly #leaders = new Map<number, string>();
  readonly #said = new Map<string, string>();
  #lines: Line[] = [];
  #flying: Flight[] = [];
  #held: Flight[] = [];
  #cuts: (({ from, to }: Flight) => boolean)[] = [];
  #holds: Set<string> = new Set();

  constructor(names: readonly string[], config: Partial<CoreConfig>) {
    this.#config = { snapshotPieceBytes: 1024, ...config };
    for (const nodeId of names) this.#enter(nodeId, names);
  }

  /** What has happened since the last call, one line each. */
  takeRecord(): string[] {
    let shownMs = -1;
    const record = this.#lines.map(({ atMs, who, to, words }) => {
      const time = atMs === shownMs ? '' : String(atMs);
      shownMs = atMs;
      return `${time.padStart(7)}  ${who}${to.length === 0 ? '' : ` -> ${to.join(', ')}:`} ${words}`;
    });
    this.#lines = [];
    return record;
  }

  #actor(name: string): Actor {
    const actor = this.#actors.get(name);
    if (actor === undefined) throw new Error(`there is no ${name}`);
    return actor;
  }

  up(name: string): Actor {
    const actor = this.#actor(name);
    if (!actor.isUp) throw new Error(`${name} is down`);
    return actor;
  }

  /** A node that nobody has asked in yet. */
  join(name: string): void {
    this.#enter(name, []);
  }

  /** The group's first leader, of which all have heard; how it came to that is no part of the story. */
  begin(leader: string): void {
    this.timeOut(leader);
    this.pass(60);
    this.#lines = [];
    this.show();
  }

  pass(ms: number, isEnough: () => boolean = () => false): boolean {
    for (let i = 0; i < ms; i++) {
      if (isEnough()) return true;
      this.nowMs++;
      for (const actor of this.#running) {
        actor.bench.pass(1);
        this.#settle(actor);
      }
    }
    return isEnough();
  }

  /** The node's election timeout passes, and before it nobody else's timer. */
  timeOut(name: string): void {
    const { bench } = this.up(name);
    for (let tries = 0; bench.effects.length === 0; tries++) {
      const due = [...bench.timers].find(([timer]) => timer.includes('electionTimeout'))?.[1];
      if (due === undefined || tries > 5) throw new Error(`${name} waits for no election timeout`);
      const ms = due - bench.nowMs;
      for (const other of this.#running) {
        if (other.name === name) continue;
        for (const [timer, at] of other.bench.timers) other.bench.timers.set(timer, at + ms);
        other.bench.nowMs += ms;
      }
      this.nowMs += ms;
      bench.pass(ms);
    }
    this.#settle(this.up(name));
  }

  propose(name: string, command: string, session: string | undefined): void {
    const actor = this.up(name);
    const [clientId, sequence] = (session ?? '').split('.').map(Number);
    const key = clientId === undefined || sequence === undefined ? null : { clientId, sequence };
    const ref = actor.bench.propose(command, { session: key });
    actor.labels.set(ref, command);
    this.#settle(actor);
  }

  openSession(name: string): void {
    const actor = this.up(name);
    actor.labels.set(
      actor.bench.propose('', { kind: 'openSession', command: new Uint8Array(0) }),
      'the session',
    );
    this.#settle(actor);
  }

  change(name: string, changes: Readonly<Record<string, MemberKind>>, transition: Transition): void {
    const actor = this.up(name);
    actor.labels.set(actor.bench.change(changes, transition), 'the change');
    this.#settle(actor);
  }

  read(name: string): void {
    const actor = this.up(name);
    actor.bench.input({ type: 'READ', reads: [{ ref: actor.newRef('the read'), timeoutMs: 5000 }] });
    this.#settle(actor);
  }

  transfer(name: string, to: string): void {
    const actor = this.up(name);
    actor.bench.input({ type: 'TRANSFER', ref: actor.newRef('the transfer'), to, timeoutMs: 5000 });
    this.#settle(actor);
  }

  snapshot(name: string): void {
    const actor = this.up(name);
    actor.bench.input({ type: 'SNAPSHOT', ref: actor.newRef('the snapshot') });
    this.#settle(actor);
  }

  crash(name: string): void {
    this.up(name).crash();
  }

  restart(name: string): void {
    const actor = this.#actor(name);
    if (actor.isUp) throw new Error(`${name} is not down`);
    actor.restart();
    this.#begin(actor);
  }

  stallDisk(name: string): void {
    this.up(name).bench.syncs = false;
  }

  /** What was written is on the disk, and the disk is prompt again. */
  freeDisk(name: string): void {
    const actor = this.up(name);
    actor.sync();
    actor.bench.syncs = true;
    this.#settle(actor);
  }

  failDisk(name: string): void {
    const actor = this.up(name);
    actor.bench.input({ type: 'FAILED', what: 'storage', reason: 'the disk is gone' });
    this.#settle(actor);
  }

  /** Only within one side does anything arrive. */
  cut(sides: readonly (readonly string[])[]): void {
    this.#cuts.push(({ from, to }) => !sides.some((side) => side.includes(from) && side.includes(to)));
  }

  /** Everything arrives again, but for what is still held back: that is lost. */
  heal(): void {
    this.#cuts = [];
    this.#holds.clear();
    this.#held = [];
  }

  hold(from: string, to: string): void {
    this.#holds.add(`${from} ${to}`);
  }

  /** What was held back arrives; what is said from now on is held back as well. */
  release(from: string, to: string, { isOnlyFirst = false, times = 1 } = {}): void {
    const mine = this.#held.filter((flight) => flight.from === from && flight.to === to);
    const released = isOnlyFirst ? mine.slice(0, 1) : mine;
    this.#held = this.#held.filter((flight) => !released.includes(flight));
    for (const { message } of Array.from({ length: times }, () => released).flat()) {
      // What it says to this is told, though it may have said it before.
      this.#said.clear();
      this.#say(from, `(late) ${messageInWords(message)}`, to);
      const receiver = this.up(to);
      receiver.bench.receive(from, message);
      this.#settle(receiver);
    }
  }

  /** Who is what, and what is in whose log: `|` stands behind what is committed as far as the node knows. */
  show(): void {
    for (const { name, isUp, bench, entries, base, hardState, snapshot } of this.#actors.values()) {
      const known = isUp ? Math.min(bench.core.commitIndex, base.index + entries.length) : -1;
      const words = entries.map((entry) => {
        const { index, term, kind } = entry;
        const is = kind === 'configuration' ? `${place(index, term)} [members]` : entryInWords(entry);
        return `${is}${index === known ? ' |' : ''}`;
      });
      if (words.length > 8) words.splice(2, words.length - 5, '...');
      const covered = base.index === 0 ? '' : `up to ${place(base.index, base.term)} in a snapshot; `;
      const log = `${covered}${words.join(', ').replaceAll('|,', '|') || (snapshot === null ? 'nothing' : 'nothing else')}`;
      const role = !isUp ? 'down' : bench.core.hasFailed ? 'failed' : bench.core.role;
      this.#say(name, `is ${role}, term ${hardState.term}. Log: ${log}`);
    }
  }

  /** Whether anybody leads. */
  leads(): boolean {
    return this.#running.some(({ bench }) => bench.core.role === 'leader');
  }

  get #running(): Actor[] {
    return [...this.#actors.values()].filter(({ isUp }) => isUp);
  }

  #enter(nodeId: string, voters: readonly string[]): void {
    const actor = new Actor({ ...this.#config, nodeId, voters }, this.#actors.size + 1);
    this.#actors.set(nodeId, actor);
    this.#begin(actor);
  }

  /** That a node knows the members it has begun with is no event. */
  #begin(actor: Actor): void {
    actor.bench.effects = actor.bench.effects.filter(({ type }) => type !== 'membersChanged');
    this.#settle(actor);
  }

  /** Until nothing is under way. */
  #settle(actor: Actor): void {
    this.#hear(actor);
    for (let next = this.#flying.shift(); next !== undefined; next = this.#flying.shift()) {
      const { from, to, message } = next;
      const receiver = this.#actors.get(to);
      if (receiver?.isUp !== true) continue;
      receiver.bench.receive(from, message);
      this.#hear(receiver);
    }
  }

  /** Records what a node has done, sends what it has said, and answers what it has asked its disk for. */
  #hear(actor: Actor): void {
    while (actor.bench.effects.length > 0) {
      const { effects } = actor.bench;
      actor.bench.clear();
      this.#tellRole(actor, effects);
      const inputs = effects.flatMap((effect) => {
        this.#tell(actor, effect);
        return actor.serve(effect, this.#snapshots);
      });
      for (const input of inputs) actor.bench.input(input);
    }
  }

  #tellRole({ name, bench: { core } }: Actor, effects: readonly RaftEffect[]): void {
    if (!effects.some(({ type }) => type === 'roleChanged' || type === 'leaderChanged')) return;
    const { role, leaderId, currentTerm: term } = core;
    if (role === 'leader') {
      const other = this.#leaders.get(term) ?? name;
      if (other !== name) throw new Error(`${other} and ${name} both lead term ${term}`);
      this.#leaders.set(term, name);
      return this.#say(name, `leads term ${term}`);
    }
    if (role === 'preCandidate') return this.#say(name, `asks whether it may stand, in term ${term} still`);
    if (role === 'candidate') return this.#say(name, `stands in term ${term}`);
    this.#say(
      name,
      `${role === 'learner' ? 'learns from' : 'follows'} ${leaderId ?? 'nobody'} in term ${term}`,
    );
  }

  #tell(actor: Actor, effect: RaftEffect): void {
    const { name, labels } = actor;
    switch (effect.type) {
      case 'send':
        return this.#send({ from: name, ...effect });
      case 'persist':
        if (!actor.bench.syncs) this.#say(name, 'writes, and its disk is not done yet');
        return;
      case 'apply':
        for (const { index, term, command } of effect.entries) {
          const words = `${place(index, term)} ${draftInWords({ kind: 'command', command })}`;
          const agreed = this.#agreed.get(index) ?? words;
          if (agreed !== words) throw new Error(`${name} applies ${words}, and not ${agreed}`);
          this.#agreed.set(index, words);
          this.#say(name, `applies ${words}`);
        }
        return;
      case 'respond':
        return this.#say(name, `answers ${labels.get(effect.ref)}: ${answerInWords(effect.answer)}`);
      case 'transferred':
      case 'changed':
        return this.#say(name, `answers ${labels.get(effect.ref)}: ${effect.outcome}`);
      case 'snapshotEnded':
        return this.#say(name, `answers ${labels.get(effect.ref)}: ${effect.outcome.status}`);
      case 'membersChanged':
        return this.#say(name, `knows as agreed on: members ${membersInWords(effect.configuration)}`);
      case 'leftOut':
        return this.#say(name, `hears that it is left out, as agreed on up to ${effect.index}`);
      case 'snapshotTaken':
      case 'snapshotInstalled': {
        const what = effect.type === 'snapshotTaken' ? 'has taken' : 'now rests on';
        return this.#say(name, `${what} a snapshot of all up to ${place(effect.id.index, effect.id.term)}`);
      }
      case 'rejected':
        return this.#say(name, `refuses what ${effect.from} says: ${effect.reason}`);
      case 'stopped':
        return this.#say(name, `stops for good: ${effect.reason}`);
      case 'snapshotFailed':
        return this.#say(name, `has no snapshot: ${effect.reason}`);
      // Told by #tellRole, for both at once.
      case 'roleChanged':
      case 'leaderChanged':
      // Between the node and its disk.
      case 'takeSnapshot':
      case 'readSnapshot':
      case 'writePiece':
      case 'checkSnapshot':
      case 'installSnapshot':
      case 'keepSnapshots':
    }
  }

  #send(flight: Flight): void {
    const { from, to, message } = flight;
    const isLost = this.#cuts.some((cut) => cut(flight)) || this.#actors.get(to)?.isUp !== true;
    const isHeld = !isLost && this.#holds.has(`${from} ${to}`);
    const words = `${messageInWords(message)}${isLost ? ' (lost)' : isHeld ? ' (held back)' : ''}`;
    const key = `${from} ${to} ${message.type}`;
    const isRepeated = isRoutine(flight) && this.#said.get(key) === words;
    this.#said.set(key, words);
    if (!isRepeated) this.#say(from, words, to);
    if (isHeld) this.#held.push(flight);
    else if (!isLost) this.#flying.push(flight);
  }

  /** What one says to several at once is one line. */
  #say(who: string, words: string, to?: string): void {
    const last = this.#lines.at(-1);
    const isSame = last?.who === who && last.words === words && last.atMs === this.nowMs;
    if (to !== undefined && isSame && !last.to.includes(to)) last.to.push(to);
    else this.#lines.push({ atMs: this.nowMs, who, to: to === undefined ? [] : [to], words });
  }
}
