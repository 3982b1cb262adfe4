/**
 * What somebody who holds the gossip key can do, in the simulated world: whoever is lied about refutes, nobody takes another's
 * name or address, and what cannot be is refused and counted.
 */
import { describe, expect, it } from 'vitest';
import type { Message } from '../src/core/messages.ts';
import { decodePacket, encodeMessage, encodeSerf, encodeTags, type Tags } from '../src/wire.ts';
import { alive, dead, noBytes, suspect, vsn } from './core-rig.ts';
import { Pool } from './pool.ts';

const names = ['a', 'b', 'c', 'd', 'e'];

/** A pool that has come together, and a node that is no member but has its key (here: none is needed). */
class Attacked {
  readonly pool = new Pool(0, 1);
  /** Whether the attacker answers pings, whoever they are for. */
  answers = false;
  /** Packets that reached the attacker. */
  readonly #heard: Message[] = [];
  #send: ((bytes: Uint8Array, to: string) => void) | null = null;
  readonly #since: number;

  constructor() {
    for (const name of names) this.pool.spawn(name, { tags: { name } });
    this.pool.world.spawn('attacker', (ports) => {
      const onMessage = (bytes: Uint8Array, { host }: { host: string }): void => {
        const options = { label: noBytes, cipher: undefined, inflateBytesMax: 1000 };
        const { messages } = decodePacket(bytes, options);
        this.#heard.push(...messages);
        for (const message of messages)
          if (this.answers && message.type === 'ping')
            this.#send?.(encodeMessage({ type: 'ack', seqNo: message.seqNo, payload: noBytes }), host);
      };
      const local = { host: ports.host, port: 7946 };
      ports.datagrams.bind(local, { onMessage, onError: () => undefined }, (bound) => {
        if (bound.ok) this.#send = (packet, host) => bound.value.send(packet, { host, port: 7946 });
      });
      return { stop: () => undefined };
    });
    this.pool.world.runFor(50);
    for (const name of names.slice(1)) this.pool.join(name, 'a');
    this.pool.world.runWhileNot(() => this.pool.converged(names), 60_000);
    this.pool.world.runFor(3000);
    this.#since = this.pool.seen.length;
  }

  get address(): { host: string; port: number } {
    return { host: this.pool.world.addressOf('attacker'), port: 7946 };
  }

  addressOf(name: string): { host: string; port: number } {
    return { host: this.pool.world.addressOf(name), port: 7946 };
  }

  incarnationOf(name: string): number {
    return this.pool.engine(name).self().incarnation;
  }

  tell(...messages: Message[]): void {
    for (const message of messages)
      for (const name of names) this.#send?.(encodeMessage(message), this.pool.world.addressOf(name));
  }

  /** What was told since, as `Dead b`, each kind once. */
  get events(): string[] {
    return [
      ...new Set(this.pool.seen.slice(this.#since).map(({ type, member }) => `${type} ${member.name}`)),
    ].sort();
  }

  get pings(): number {
    return this.#heard.filter(({ type }) => type === 'ping').length;
  }

  rejected(reason: string): number {
    return names.reduce(
      (sum, name) => sum + (this.pool.metrics.get(name)?.value('packets_rejected', { reason }) ?? 0),
      0,
    );
  }

  tagsAt(on: string, name: string): Tags | undefined {
    return this.pool
      .engine(on)
      .members()
      .find((member) => member.name === name)?.tags;
  }

  addressAt(on: string, name: string): { host: string; port: number } | undefined {
    return this.pool
      .engine(on)
      .members()
      .find((member) => member.name === name)?.address;
  }

  /** Everybody sees everybody alive, at its own address, with its own tags. */
  get isWhole(): boolean {
    return names.every((on) =>
      this.pool
        .engine(on)
        .members()
        .filter(({ name }) => names.includes(name))
        .every(
          ({ name, state, address, tags }) =>
            state === 'Alive' && address.host === this.pool.world.addressOf(name) && tags['name'] === name,
        ),
    );
  }

  /** Whether all is as it was within the time of a refutation and its gossip, stays so, and nobody has stopped. */
  isWholeWithin(ms: number): boolean {
    if (!this.pool.world.runWhileNot(() => this.isWhole, ms)) return false;
    this.pool.world.runFor(20_000);
    return this.isWhole && names.every((name) => this.pool.engine(name).agentState === 'running.settled');
  }
}

describe('a key holder that forges', () => {
  it.each([
    ['a death', (incarnation: number) => dead('b', incarnation, 'c')],
    ['a leave', (incarnation: number) => dead('b', incarnation, 'b')],
    ['a suspicion', (incarnation: number) => suspect('b', incarnation, 'c')],
    ['a death far ahead', (incarnation: number) => dead('b', incarnation + 1_000_000, 'c')],
  ])('%s costs one refutation', (_name, claim) => {
    const attacked = new Attacked();
    const before = attacked.incarnationOf('b');
    const forged = claim(before);
    attacked.tell(forged);
    expect(attacked.isWholeWithin(3000)).toBe(true);
    // One refutation, above what was forged; nobody else was drawn in.
    expect(attacked.incarnationOf('b')).toBe(('incarnation' in forged ? forged.incarnation : 0) + 1);
    expect(attacked.events.every((event) => event.endsWith(' b'))).toBe(true);
    for (const name of names.filter((one) => one !== 'b')) expect(attacked.incarnationOf(name)).toBe(1);
  });

  it('tags costs one refutation, after which all have the right ones', () => {
    const attacked = new Attacked();
    const meta = encodeTags({ name: 'x', admin: 'yes' });
    attacked.tell(alive('b', 2, { address: attacked.addressOf('b'), meta, vsn }));
    expect(attacked.isWholeWithin(3000)).toBe(true);
    expect(attacked.incarnationOf('b')).toBe(3);
    expect(names.every((on) => attacked.tagsAt(on, 'b')?.['admin'] === undefined)).toBe(true);
  });

  it('an address changes it nowhere, and costs its bearer a few pings there', () => {
    const attacked = new Attacked();
    for (let i = 0; i < 50; i++) {
      attacked.tell(alive('b', 2 + i, { address: attacked.address }));
      attacked.pool.world.runFor(20);
      // Not for a moment.
      expect(attacked.isWhole).toBe(true);
    }
    expect(attacked.isWholeWithin(1)).toBe(true);
    expect(attacked.events).toEqual(['Conflict b']);
    expect(attacked.pings).toBeGreaterThan(0);
    expect(attacked.pings).toBeLessThanOrEqual(3);
    expect(attacked.incarnationOf('b')).toBe(1);
  });

  it('an address and answers there does not win the name', () => {
    const attacked = new Attacked();
    // A process of the attacker's answers to the name.
    attacked.pool.spawn('twin', { name: 'b' });
    attacked.pool.world.runFor(50);
    attacked.tell(alive('b', 2, { address: { host: attacked.pool.world.addressOf('twin'), port: 7946 } }));
    expect(attacked.isWholeWithin(1)).toBe(true);
  });

  it.each([
    ['is silent', false],
    ['answers', true],
  ])('a leave and at once another address, where it %s, does not win the name', (_case, answers) => {
    const attacked = new Attacked();
    attacked.answers = answers;
    for (let i = 0; i < 5; i++) {
      const incarnation = attacked.incarnationOf('b');
      attacked.tell(
        dead('b', incarnation, 'b'),
        alive('b', incarnation + 1000, { address: attacked.address }),
      );
      attacked.pool.world.runFor(100);
      // Not for a moment.
      for (const name of names) expect(attacked.addressAt(name, 'b')).toEqual(attacked.addressOf('b'));
    }
    expect(attacked.isWholeWithin(3000)).toBe(true);
    expect(attacked.incarnationOf('b')).toBeLessThanOrEqual(6);
    expect(attacked.events).toEqual(['Conflict b', 'Joined b', 'Left b']);
  });

  it('members that are not there costs probes of them, until they are dead', () => {
    const attacked = new Attacked();
    const ghosts = Array.from({ length: 5 }, (_, i) => `ghost${i}`);
    attacked.tell(...ghosts.map((name) => alive(name, 1, { address: { host: '10.9.9.9', port: 1 } })));
    attacked.pool.world.runFor(500);
    expect(attacked.pool.agree(names, ghosts, 'Alive')).toBe(true);
    expect(attacked.pool.world.runWhileNot(() => attacked.pool.agree(names, ghosts, 'Dead'), 60_000)).toBe(
      true,
    );
    expect(attacked.isWholeWithin(1)).toBe(true);
  });

  it("Serf's word that a member leaves is contradicted by it", () => {
    const attacked = new Attacked();
    attacked.tell({ type: 'user', payload: encodeSerf({ type: 'leave', lTime: 500, node: 'b' }) });
    attacked.pool.world.runFor(3000);
    attacked.pool.world.crash('b');
    // Had it been believed, its death would be a leave.
    const others = names.filter((name) => name !== 'b');
    expect(attacked.pool.world.runWhileNot(() => attacked.pool.agree(others, ['b'], 'Dead'), 30_000)).toBe(
      true,
    );
  });
});

describe('what cannot be is refused and counted', () => {
  it.each<[string, string, Message]>([
    ['an incarnation at the end of the range', 'incarnation', dead('b', 0xffff_ffff, 'c')],
    ['versions that nobody here speaks', 'versions', alive('x', 1, { vsn: Uint8Array.of(6, 9, 9, 6, 9, 9) })],
    ['versions whose bounds cross', 'versions', alive('x', 1, { vsn: Uint8Array.of(5, 1, 2, 2, 5, 5) })],
    [
      'a Lamport time that would end the clock',
      'lamport',
      { type: 'user', payload: encodeSerf({ type: 'leave', lTime: 2 ** 52, node: 'b' }) },
    ],
  ])('%s', (_name, reason, message) => {
    const attacked = new Attacked();
    attacked.tell(message);
    attacked.pool.world.runFor(100);
    expect(attacked.rejected(reason)).toBe(names.length);
    expect(attacked.isWholeWithin(1)).toBe(true);
    expect(attacked.events).toEqual([]);
    // Push/pull goes on: nothing that was refused is in anybody's table.
    attacked.pool.spawn('late', { tags: { name: 'late' } });
    attacked.pool.world.runFor(50);
    expect(attacked.pool.join('late', 'a')).toMatchObject({ ok: true });
  });
});
