/** The stream of events: which kinds there are, in what order, and what becomes of those that wait for a slow reader. */
import { EventHub } from '@cluster/core';
import { World } from '@cluster/sim';
import { Swim, type MembershipEvent, type SwimPorts } from '@cluster/swim';
import { describe, expect, it } from 'vitest';
import { coalescing, type Member } from '../src/member.ts';

const member = (name: string, state: Member['state'] = 'Alive', incarnation = 1): Member => ({
  name,
  address: { host: '10.0.0.1', port: 1 },
  state,
  incarnation,
  tags: {},
  lastSeenMs: 0,
  stateChangedMs: 0,
});
type Kind = Extract<MembershipEvent, { member: Member }>['type'];
const event = (type: Kind, name: string, more: object = {}): MembershipEvent => ({
  type,
  member: member(name),
  atMs: 0,
  ...more,
});
const partition = (
  type: 'PartitionDetected' | 'PartitionHealed' | 'QuorumLost' | 'QuorumRegained',
  missing: readonly string[] = [],
): MembershipEvent => ({ type, member: null, side: ['a'], missing, atMs: 0 });
const user = (name: string, coalesce: boolean, lTime: number): MembershipEvent => ({
  type: 'UserEvent',
  member: null,
  name,
  payload: new Uint8Array(0),
  lTime,
  coalesce,
  atMs: 0,
});

/** What a reader finds that comes only after all of this has happened. */
async function late(happened: readonly MembershipEvent[], capacity = 1024): Promise<string[]> {
  const hub = new EventHub<MembershipEvent>({
    capacity,
    coalesce: coalescing,
    onOverflow: (dropped) => ({ type: 'Overflow', member: null, dropped, atMs: 0 }),
  });
  const reader = hub.subscribe();
  for (const one of happened) hub.publish(one);
  hub.close();
  const seen: string[] = [];
  for await (const one of reader) {
    const about = one.member?.name ?? (one.type === 'UserEvent' ? `${one.name}${one.lTime}` : '');
    const detail = one.type === 'Overflow' ? one.dropped : 'missing' in one ? one.missing.join('') : about;
    seen.push(`${one.type} ${detail}`.trim());
  }
  return seen;
}

describe('events that wait for a slow reader', () => {
  it('lose suspicions and updates that something later about the same member has overtaken', async () => {
    expect(
      await late([
        event('Joined', 'a'),
        event('Suspect', 'a'),
        event('Updated', 'a'),
        event('Suspect', 'b'),
        event('Updated', 'a'),
        event('Suspect', 'a'),
        event('Dead', 'a'),
        event('Updated', 'c'),
      ]),
    ).toEqual(['Joined a', 'Suspect b', 'Dead a', 'Updated c']);
  });

  it('lose nobody who came, died, left or was forgotten, however often, and keep their order', async () => {
    const life = [
      event('Joined', 'a'),
      event('Dead', 'a'),
      event('Joined', 'a'),
      event('Left', 'a'),
      event('Reaped', 'a'),
      event('Joined', 'a'),
    ];
    expect(await late(life)).toEqual(life.map(({ type }) => `${type} a`));
  });

  it('keep the latest conflict of a name, and the one that was lost', async () => {
    expect(
      await late([
        event('Conflict', 'a'),
        event('Conflict', 'b'),
        event('Conflict', 'a'),
        event('Conflict', 'a', { lost: true }),
        event('Conflict', 'a'),
      ]),
    ).toEqual(['Conflict b', 'Conflict a', 'Conflict a']);
  });

  it('keep the latest sides of a partition, and every turn of quorum', async () => {
    expect(
      await late([
        partition('PartitionDetected', ['b']),
        partition('QuorumLost'),
        partition('PartitionDetected', ['b', 'c']),
        partition('QuorumRegained'),
        partition('PartitionHealed'),
        partition('QuorumLost'),
      ]),
    ).toEqual(['QuorumLost', 'PartitionDetected bc', 'QuorumRegained', 'PartitionHealed', 'QuorumLost']);
  });

  it("keep of a user's events only the latest of a name where the sender allows it", async () => {
    expect(
      await late([user('x', true, 1), user('y', false, 2), user('x', true, 3), user('y', false, 4)]),
    ).toEqual(['UserEvent y2', 'UserEvent x3', 'UserEvent y4']);
  });

  it('are bounded: a member that flaps for ever takes one place, and what exceeds the bound is one Overflow', async () => {
    const flapping = Array.from({ length: 100_000 }, (_, i) => event(i % 2 ? 'Updated' : 'Suspect', 'a'));
    expect(await late(flapping, 16)).toEqual(['Updated a']);
    const dying = Array.from({ length: 20 }, (_, i) => event('Dead', `m${i}`));
    const seen = await late(dying, 16);
    expect(seen.slice(0, 2)).toEqual(['Overflow 4', 'Dead m4']);
    expect(seen).toHaveLength(17);
  });
});

describe('the stream of a member', () => {
  it('has the bound that is configured, and tells each that reads it, from when it began to', async () => {
    const world = new World({ seed: 1 });
    let ports: SwimPorts | null = null;
    world.spawn('n1', (given) => {
      ports = given;
      return { stop: () => undefined };
    });
    world.runFor(1);
    const given = ports as unknown as SwimPorts;
    const starting = Swim.start(
      { name: 'n1', bind: { host: world.addressOf('n1'), port: 7946 }, eventsMax: 16 },
      given,
    );
    world.runFor(100);
    const swim = await starting;
    const slow = swim.events();
    for (let i = 0; i < 20; i++) swim.sendEvent(`e${i}`);
    const seen: string[] = [];
    for (let i = 0; i < 17; i++) seen.push((await slow.next()).value?.type ?? 'nothing');
    expect(seen).toEqual(['Overflow', ...Array.from({ length: 16 }, () => 'UserEvent')]);
    await swim.stop();
    expect((await slow.next()).done).toBe(true);
  });
});
