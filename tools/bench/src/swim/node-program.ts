/** A process of members of ours: one that is to be killed, or a group of those that are not. */
import type { MembershipEvent, Swim } from '@cluster/swim';
import { startSwim } from '@cluster/swim/node';
import { serveParent } from '../process/remote.ts';
import type { MemberOrder, MemberView, QueryOrder } from './node-protocol.ts';
import { type Sighting, type SightingKind, wallMs } from './sightings.ts';

const kinds: Partial<Record<MembershipEvent['type'], SightingKind>> = {
  Joined: 'alive',
  Suspect: 'suspect',
  Dead: 'dead',
  Left: 'left',
};

const members = new Map<string, Swim>();
let sightings: Sighting[] = [];
let userEvents: string[] = [];
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const one = (name: string): Swim => {
  const swim = members.get(name);
  if (swim === undefined) throw new Error(`There is no member ${name} here.`);
  return swim;
};

async function watch(observer: string, swim: Swim): Promise<void> {
  for await (const event of swim.events()) {
    if (event.type === 'UserEvent') userEvents.push(`${observer} ${event.name} ${text(event.payload)}`);
    if (event.type === 'Overflow') throw new Error(`${observer} has lost ${event.dropped} events.`);
    // Refuted.
    const isBack = event.type === 'Updated' && event.member.state === 'Alive';
    const kind = isBack ? 'alive' : kinds[event.type];
    if (event.member !== null && kind !== undefined)
      sightings.push({ observer, member: event.member.name, kind, atMs: wallMs() });
  }
}

serveParent({
  start: async (orders: readonly MemberOrder[]) => {
    for (const { config, seeds } of orders) {
      const swim = await startSwim(config);
      members.set(config.name, swim);
      watch(config.name, swim).catch((error: unknown) => {
        throw error;
      });
      swim.onQuery('load', ({ from, payload }) => `${from} asked ${text(payload)}`);
      if (seeds.length > 0) await swim.join(seeds);
    }
  },
  sightings: () => {
    const taken = sightings;
    sightings = [];
    return taken;
  },
  userEvents: () => {
    const taken = userEvents;
    userEvents = [];
    return taken;
  },
  view: (name: string): MemberView => {
    const swim = one(name);
    return {
      states: Object.fromEntries(swim.members().map((member) => [member.name, member.state])),
      incarnation: swim.self.incarnation,
      keys: swim.gossipKeys(),
    };
  },
  sendEvent: ({ name, event, payload }: { name: string; event: string; payload: string }) =>
    one(name).sendEvent(event, payload),
  query: async ({ name, query, payload, timeoutMs }: QueryOrder) => {
    const answers: string[] = [];
    for await (const answer of one(name).query(query, payload, { acks: true, timeoutMs }))
      answers.push(`${answer.type} ${answer.from} ${text(answer.payload)}`.trim());
    return answers;
  },
  estimateRttMs: ({ name, a, b }: { name: string; a: string; b: string }) =>
    one(name).estimateRttMs(a, b) ?? null,
  leave: (name: string) => one(name).leave(),
});
