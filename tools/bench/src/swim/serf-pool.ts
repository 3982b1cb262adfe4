/** A pool of Serf's agents, on its lan profile; what they see is read from what they log. */
import type { Foreign, Workplace } from '../process/workplace.ts';
import type { CpuShare } from './cpu-share.ts';
import { gossipPort, type PoolSettings, type Seat, type TestPool, type Usage, usageOf } from './pool.ts';
import type { PrivateNetwork } from './private-network.ts';
import { type Sighting, type SightingKind, Sightings, wallMs } from './sightings.ts';

// Not all at once: on two cores a hundred that are not whole soon never are, for what they then find out about each other takes all
// there is.
const startedAtOnce = 3;
const betweenMs = 1000;

const seen: readonly (readonly [RegExp, SightingKind])[] = [
  [/serf: EventMemberJoin: (\S+)/, 'alive'],
  [/serf: EventMemberFailed: (\S+)/, 'dead'],
  [/serf: EventMemberLeave: (\S+)/, 'left'],
  [/memberlist: Suspect (\S+) has failed/, 'suspect'],
];

/** What a line of an agent's log says of a member. */
export function sightingOf(observer: string, line: string, atMs: number): Sighting | undefined {
  for (const [pattern, kind] of seen) {
    const member = pattern.exec(line)?.[1];
    if (member !== undefined) return { observer, member, kind, atMs };
  }
  return undefined;
}

export class SerfPool implements TestPool {
  readonly name = 'serf';
  readonly network: PrivateNetwork;
  readonly sightings = new Sightings();
  readonly #place: Workplace;
  readonly #share: CpuShare;
  readonly #seats: readonly Seat[];
  readonly #settings: PoolSettings;
  readonly #agents = new Map<string, Foreign>();

  constructor(
    place: Workplace,
    network: PrivateNetwork,
    share: CpuShare,
    pool: readonly Seat[],
    settings: PoolSettings,
  ) {
    this.#place = place;
    this.network = network;
    this.#share = share;
    this.#seats = pool;
    this.#settings = settings;
  }

  async start(): Promise<void> {
    for (const [i, seat] of this.#seats.entries()) {
      this.#start(seat);
      if (i % startedAtOnce === 0) await new Promise((resolve) => setTimeout(resolve, betweenMs));
    }
  }

  look(): Promise<void> {
    return Promise.resolve();
  }

  async kill(name: string): Promise<void> {
    const agent = this.#agents.get(name);
    this.#agents.delete(name);
    await agent?.kill('SIGKILL');
    this.sightings.forget(name);
  }

  async restart(name: string): Promise<void> {
    const seat = this.#seats.find((one) => one.name === name);
    if (seat !== undefined) this.#start(seat);
  }

  usage(): Promise<Usage> {
    const pids = [...this.#agents.values()].map(({ pid }) => pid);
    return usageOf(pids, pids.length);
  }

  usageAlone(): Promise<null> {
    return Promise.resolve(null);
  }

  #start({ name, host, side }: Seat): void {
    const [first] = this.#seats as readonly [Seat, ...Seat[]];
    const { key, tags } = this.#settings;
    const args = [
      'agent',
      `-node=${name}`,
      `-bind=${host}:${gossipPort}`,
      `-rpc-addr=${host}:7373`,
      '-profile=lan',
      `-encrypt=${key}`,
      ...Object.entries(tags).flatMap(([tag, value]) => ['-tag', `${tag}=${value}`]),
      ...(name === first.name ? [] : [`-retry-join=${first.host}:${gossipPort}`, '-retry-interval=2s']),
    ];
    const onLine = (line: string): void => {
      const sighting = sightingOf(name, line, wallMs());
      if (sighting !== undefined) this.sightings.add(sighting);
    };
    const onDeath = (error: Error): void => {
      throw error;
    };
    const prefix = [...this.#share.prefix, ...this.network.prefix(side)];
    this.#agents.set(
      name,
      this.#place.startForeign(`serf ${name}`, 'serf', args, onDeath, { prefix, core: 1, onLine }),
    );
  }
}
