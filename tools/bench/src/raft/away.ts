/**
 * What a follower that is away for long costs the others, and how it comes back: it is killed, the others go on for so many entries, and
 * then it starts again, behind all that the leader's log holds. Puts never stop.
 */
import { raftConfigSchema } from '@cluster/raft';
import type { Remote } from '../process/remote.ts';
import type { BenchRow, Expectation } from '../result.ts';
import { quantile, ascending, summarize } from '../statistics.ts';
import type { RaftLoad, RaftLoadResult } from './client-program.ts';
import { type OurCluster, serverNames } from './clusters.ts';

export interface AwayOptions {
  readonly cluster: OurCluster;
  readonly client: Remote;
  readonly entries: number;
  /** All that is ever put, together. */
  readonly keys: number;
  readonly sliceMs: number;
  readonly clients: number;
  readonly valueBytes: number;
  readonly say: (line: string) => void;
  /** Where CPU profiles of the return go. */
  readonly profile?: string | undefined;
}

export interface AwayResult {
  /** Puts/s, slice by slice. */
  readonly whole: readonly number[];
  readonly away: readonly number[];
  readonly returning: readonly number[];
  readonly after: readonly number[];
  readonly returnMs: number;
  /** Until it has read its own log, and until the snapshot has taken its place. */
  readonly startedMs: number;
  readonly installedMs: number;
  readonly entriesAway: number;
  readonly snapshotBytes: number;
  readonly bySnapshot: boolean;
  /** The most that the leader's log held while one was away or returning, in bytes. */
  readonly logBytes: number;
  /** Resident memory of the leader, in bytes: with all there, and the most since. */
  readonly memory: { readonly whole: number; readonly most: number };
}

const wholeSlices = 8;
// Nothing of what went before is left to be caught up with but what is under way.
const levelEntries = 1000;
const patienceMs = 120_000;
const mebi = 1024 * 1024;

export class AwayRun {
  readonly #options: AwayOptions;
  readonly #leader: string;
  readonly #absent: string;
  #logBytes = 0;
  #memory = 0;

  private constructor(options: AwayOptions, leader: string) {
    this.#options = options;
    this.#leader = leader;
    this.#absent = serverNames.find((name) => name !== leader) as string;
  }

  static async measure(options: AwayOptions): Promise<AwayResult> {
    return await new AwayRun(options, await options.cluster.leader()).#measure();
  }

  async #measure(): Promise<AwayResult> {
    const { cluster, entries, keys, say, profile } = this.#options;
    const leader = this.#leader;
    // Every key once and the compiler warm, before anything counts.
    const filled = await this.#slices(async () => (await this.#commitIndex()) < keys * 1.2);
    say(`away: ${filled.length} runs to begin with`);
    const whole = await this.#slices((done) => done < wholeSlices);
    const memoryWhole = await cluster.memory(leader);
    const leftAt = await this.#commitIndex();
    await cluster.kill(this.#absent);
    const away = await this.#slices(async () => (await this.#commitIndex()) - leftAt < entries);
    const entriesAway = (await this.#commitIndex()) - leftAt;
    say(`away: for ${entriesAway} entries, ${Math.round(quantile(ascending(away), 0.5))} puts/s`);
    let returned = false;
    let [startedMs, installedMs, returnMs] = [0, 0, 0];
    const begunMs = performance.now();
    const comeBack = async (): Promise<void> => {
      await cluster.restart(this.#absent);
      startedMs = performance.now() - begunMs;
      while (!(await this.#isLevel())) {
        const { snapshot } = await cluster.status(this.#absent);
        if (installedMs === 0 && (snapshot?.index ?? 0) > leftAt) installedMs = performance.now() - begunMs;
        if (performance.now() - begunMs > patienceMs) throw new Error(`not level within ${patienceMs} ms`);
      }
    };
    const back = comeBack().finally(() => {
      returnMs = performance.now() - begunMs;
      returned = true;
    });
    const load = (): Promise<number[]> => this.#slices(() => !returned);
    const returning =
      profile === undefined
        ? await load()
        : await cluster.profiledOne(leader, `${profile}/raft-return-leader.cpuprofile`, load);
    await back;
    const { snapshot, firstIndex } = await cluster.status(this.#absent);
    say(
      `away: level again after ${returnMs.toFixed(0)} ms, puts/s meanwhile: ${returning.map(Math.round).join(' ')}`,
    );
    const after = await this.#slices((done) => done < wholeSlices);
    return {
      whole,
      away,
      returning,
      after,
      startedMs,
      installedMs,
      returnMs,
      entriesAway,
      snapshotBytes: snapshot?.bytes ?? 0,
      bySnapshot: snapshot !== null && firstIndex > leftAt,
      logBytes: this.#logBytes,
      memory: { whole: memoryWhole, most: this.#memory },
    };
  }

  /** Puts, slice after slice, as long as `goOn` says. @returns puts/s of each. */
  async #slices(goOn: (done: number) => boolean | Promise<boolean>): Promise<number[]> {
    const { client, clients, keys, sliceMs, valueBytes } = this.#options;
    const load: RaftLoad = {
      store: 'ours',
      server: this.#leader,
      kind: 'put',
      clients,
      valueBytes,
      warmMs: 0,
      runMs: sliceMs,
      keysPerClient: Math.ceil(keys / clients),
    };
    const rates: number[] = [];
    while (await goOn(rates.length)) {
      const { perSecond, failed } = await client.call<RaftLoadResult>('run', load);
      if (failed > 0) throw new Error(`${failed} puts were not acknowledged`);
      rates.push(perSecond);
      await this.#look();
    }
    return rates;
  }

  async #look(): Promise<void> {
    const { cluster } = this.#options;
    const { logBytes } = await cluster.status(this.#leader);
    this.#logBytes = Math.max(this.#logBytes, logBytes);
    this.#memory = Math.max(this.#memory, await cluster.memory(this.#leader));
  }

  async #commitIndex(): Promise<number> {
    return (await this.#options.cluster.status(this.#leader)).commitIndex;
  }

  async #isLevel(): Promise<boolean> {
    const { cluster } = this.#options;
    await new Promise((resolve) => setTimeout(resolve, 50));
    const committed = await this.#commitIndex();
    return (await cluster.status(this.#absent)).appliedIndex >= committed - levelEntries;
  }
}

export function awayRows(result: AwayResult): BenchRow[] {
  const { whole, away, returning, after, returnMs, entriesAway, logBytes, memory, snapshotBytes } = result;
  const { startedMs, installedMs } = result;
  const common = { limit: null, peers: {}, ratioToLimit: null };
  const rate = (name: string, rates: readonly number[]): BenchRow => {
    // Over all of it, as whoever puts sees it.
    const ours = rates.reduce((sum, one) => sum + one, 0) / rates.length;
    const { spread } = summarize(rates);
    return { case: `puts, ${name}`, unit: 'puts/s', higherIsBetter: true, ours, spread, ...common };
  };
  const one = (name: string, unit: string, ours: number, higherIsBetter = false): BenchRow => ({
    case: name,
    unit,
    higherIsBetter,
    ours,
    spread: 0,
    ...common,
  });
  const rates = [
    rate('all three there', whole),
    rate(`one away for ${entriesAway} entries`, away),
    rate('while it returns', returning),
    rate('all three there again', after),
  ];
  const of = (at: number): number => rates[at]?.ours ?? 0;
  return [
    ...rates,
    one('puts kept while it returns, of those with all three', '%', (100 * of(2)) / of(0), true),
    one('puts kept while it returns, of those with one away', '%', (100 * of(2)) / of(1), true),
    one('return, from the start of its process until it has read its log', 'ms', startedMs),
    one('return, until it has the snapshot in place', 'ms', installedMs),
    one('return, until it is level', 'ms', returnMs),
    one('snapshot it is sent', 'MiB', snapshotBytes / mebi),
    one("the most in the leader's log", 'MiB', logBytes / mebi),
    one("leader's memory, all three there", 'MiB', memory.whole / mebi),
    one("leader's memory, the most since", 'MiB', memory.most / mebi),
  ];
}

export function awayExpectations({ bySnapshot, logBytes }: AwayResult): Expectation[] {
  const { logBytesMax } = raftConfigSchema.parse({ nodeId: 'n1', voters: [...serverNames] });
  return [
    { what: 'who was away came back by a snapshot', held: bySnapshot },
    { what: "the leader's log stayed within logBytesMax", held: logBytes <= logBytesMax },
  ];
}
