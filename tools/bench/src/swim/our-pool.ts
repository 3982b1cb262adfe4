/** A pool of ours: members in groups of twenty to a process, and each victim in one of its own. */
import type { Remote } from '../process/remote.ts';
import type { Workplace } from '../process/workplace.ts';
import type { CpuShare } from './cpu-share.ts';
import type { MemberOrder } from './node-protocol.ts';
import { gossipPort, type PoolSettings, type Seat, type TestPool, type Usage, usageOf } from './pool.ts';
import type { PrivateNetwork, Side } from './private-network.ts';
import { type Sighting, Sightings } from './sightings.ts';

export const membersOfProcess = 20;

export class OurPool implements TestPool {
  readonly name = 'ours';
  readonly network: PrivateNetwork;
  readonly sightings = new Sightings();
  readonly #place: Workplace;
  readonly #program: string;
  readonly #share: CpuShare;
  readonly #seats: readonly Seat[];
  readonly #settings: PoolSettings;
  readonly #groups: Remote[] = [];
  readonly #victims = new Map<string, Remote>();

  constructor(
    place: Workplace,
    program: string,
    network: PrivateNetwork,
    share: CpuShare,
    pool: readonly Seat[],
    settings: PoolSettings,
  ) {
    this.#place = place;
    this.#program = program;
    this.network = network;
    this.#share = share;
    this.#seats = pool;
    this.#settings = settings;
  }

  async start(): Promise<void> {
    const groups = (['near', 'far'] as const).flatMap((side) =>
      chunks(this.#seats.filter((seat) => seat.side === side && !seat.isVictim)).map((members) => ({
        side,
        members,
      })),
    );
    for (const { side, members } of groups) this.#groups.push(await this.#process(side, members));
    for (const seat of this.#seats) if (seat.isVictim) await this.#startVictim(seat);
  }

  async look(): Promise<void> {
    for (const remote of [...this.#groups, ...this.#victims.values()])
      for (const sighting of await remote.call<Sighting[]>('sightings')) this.sightings.add(sighting);
  }

  async kill(name: string): Promise<void> {
    const victim = this.#victims.get(name);
    this.#victims.delete(name);
    await victim?.kill();
    this.sightings.forget(name);
  }

  async restart(name: string): Promise<void> {
    const seat = this.#seats.find((one) => one.name === name);
    if (seat !== undefined) await this.#startVictim(seat);
  }

  usage(): Promise<Usage> {
    const pids = this.#groups.map(({ pid }) => pid);
    return usageOf(pids, this.#seats.length - this.#victims.size);
  }

  async usageAlone(): Promise<Usage | null> {
    const pids = [...this.#victims.values()].map(({ pid }) => pid);
    return pids.length === 0 ? null : await usageOf(pids, pids.length);
  }

  async #startVictim(seat: Seat): Promise<void> {
    this.#victims.set(seat.name, await this.#process(seat.side, [seat]));
  }

  async #process(side: Side, members: readonly Seat[]): Promise<Remote> {
    const prefix = [...this.#share.prefix, ...this.network.prefix(side)];
    const name = `ours ${members.map((seat) => seat.name).join(' ')}`;
    const remote = this.#place.start(name, this.#program, [], { core: 0, prefix });
    await remote.call(
      'start',
      members.map((seat) => this.#order(seat)),
    );
    return remote;
  }

  #order({ name, host }: Seat): MemberOrder {
    const [first] = this.#seats as readonly [Seat, ...Seat[]];
    const { key, tags } = this.#settings;
    return {
      config: { name, bind: { host, port: gossipPort }, gossipKeys: [key], tags: { ...tags } },
      seeds: name === first.name ? [] : [`${first.host}:${gossipPort}`],
    };
  }
}

const chunks = (members: readonly Seat[]): Seat[][] =>
  Array.from({ length: Math.ceil(members.length / membersOfProcess) }, (_, i) =>
    members.slice(i * membersOfProcess, (i + 1) * membersOfProcess),
  );
