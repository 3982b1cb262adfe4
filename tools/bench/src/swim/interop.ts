/**
 * Five members of ours and five agents of Serf in one pool, all on the lan preset, each a process of its own on loopback: what either kind
 * does has to be seen by the other. First plain, then encrypted.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from '@cluster/programs';
import type { Remote } from '../process/remote.ts';
import { type Foreign, hasCommand, Workplace } from '../process/workplace.ts';
import type { Expectation } from '../result.ts';
import type { MemberOrder, MemberView, QueryOrder } from './node-protocol.ts';
import { gossipPort } from './pool.ts';
import { sightingOf } from './serf-pool.ts';
import { type Sighting, wallMs } from './sightings.ts';

export interface InteropOptions {
  /** How long nothing happens, in which nobody may be suspected. */
  readonly quietSeconds: number;
}

export interface InteropResult {
  readonly ok: boolean;
  readonly expectations: readonly (Expectation & { readonly pool: string; readonly tookMs: number })[];
}

type SerfStatus = 'alive' | 'failed' | 'left';

const size = 5;
const keyA = Buffer.alloc(32, 1).toString('base64');
const keyB = Buffer.alloc(32, 2).toString('base64');
const stoppedMs = 4000;
const giveUpMs = 30_000;
const ourWords: Readonly<Record<SerfStatus, string>> = { alive: 'Alive', failed: 'Dead', left: 'Left' };

/** @throws Error when serf is not installed. */
export function runInterop(
  { quietSeconds }: InteropOptions,
  say: (line: string) => void = () => undefined,
): Promise<InteropResult> {
  if (!hasCommand('serf', 'version')) throw new Error('serf is not installed here (apt-get install serf).');
  return Workplace.use(async (place) => {
    const { node } = await bundle({
      programs: { node: fileURLToPath(new URL('./node-program.ts', import.meta.url)) },
      outdir: join(place.folder, 'programs'),
    });
    const expectations: InteropResult['expectations'][number][] = [];
    for (const [pool, net, key] of [
      ['plain', 71, null],
      ['encrypted', 72, keyA],
    ] as const) {
      const report = (what: string, held: boolean, tookMs: number): void => {
        expectations.push({ pool, what, held, tookMs });
        say(`${held ? 'held' : 'DID NOT HOLD'} (${pool}, ${Math.round(tookMs)} ms): ${what}`);
      };
      await new MixedPool(place, node, net, key, report).run(quietSeconds);
    }
    return { ok: expectations.every(({ held }) => held), expectations };
  });
}

class MixedPool {
  readonly #place: Workplace;
  readonly #program: string;
  readonly #net: number;
  readonly #key: string | null;
  readonly #report: (what: string, held: boolean, tookMs: number) => void;
  readonly #agents = new Map<string, Foreign>();
  readonly #ours = new Map<string, Remote>();
  readonly #sightings: Sighting[] = [];
  readonly #serfLines: string[] = [];
  readonly #userEvents: string[] = [];

  constructor(
    place: Workplace,
    program: string,
    net: number,
    key: string | null,
    report: (what: string, held: boolean, tookMs: number) => void,
  ) {
    this.#place = place;
    this.#program = program;
    this.#net = net;
    this.#key = key;
    this.#report = report;
  }

  async run(quietSeconds: number): Promise<void> {
    const numbers = Array.from({ length: size }, (_, i) => i + 1);
    for (const i of numbers) this.#startAgent(`s${i}`);
    for (const i of numbers) await this.#startOurs(`o${i}`, `s${i}`);
    const all = [...numbers.map((i) => `s${i}`), ...numbers.map((i) => `o${i}`)];
    const areAlive = (): Promise<boolean> => this.#allSee(all, 'alive');
    await this.#expect('both kinds list all ten alive', areAlive);
    await this.#quiet(quietSeconds, areAlive);
    await this.#events(numbers);
    await this.#queries(all);
    await this.#expect('`serf rtt` knows the way to each of ours', async () => {
      const told = await Promise.all(numbers.map((i) => this.#serf('s1', 'rtt', 's1', `o${i}`)));
      return told.every((text) => /Estimated s1 <-> o\d rtt: \d/.test(text));
    });
    await this.#pause('o5', areAlive);
    if (this.#key !== null) await this.#rotateKeys(numbers);
    await this.#go('o4', 'failed', 'kill -9 of ours is seen as failed by all', async () => {
      await this.#ours.get('o4')?.kill();
      this.#ours.delete('o4');
    });
    await this.#go('s4', 'failed', "kill -9 of Serf's is seen as failed by all", async () => {
      await this.#agents.get('s4')?.kill('SIGKILL');
      this.#agents.delete('s4');
    });
    await this.#go('o3', 'left', 'ours leaves and is seen as left by all', async () => {
      await this.#ours.get('o3')?.call('leave', 'o3');
      await this.#ours.get('o3')?.kill();
      this.#ours.delete('o3');
    });
    await this.#go('s3', 'left', "Serf's leaves and is seen as left by all", async () => {
      const agent = this.#agents.get('s3');
      this.#agents.delete('s3');
      await agent?.kill('SIGINT');
    });
    await Promise.all([
      ...[...this.#ours.values()].map((remote) => remote.kill()),
      ...[...this.#agents.values()].map((agent) => agent.kill('SIGKILL')),
    ]);
  }

  async #quiet(seconds: number, areAlive: () => Promise<boolean>): Promise<void> {
    const fromMs = wallMs();
    await pause(seconds * 1000);
    await this.#look();
    const bad = this.#sightings.filter(({ atMs, kind }) => atMs >= fromMs && kind !== 'alive');
    const held = bad.length === 0 && (await areAlive());
    this.#report(`for ${seconds} s nobody is suspected, and all list ten alive`, held, wallMs() - fromMs);
  }

  async #events(numbers: readonly number[]): Promise<void> {
    await this.#ours.get('o1')?.call('sendEvent', { name: 'o1', event: 'deploy', payload: 'v1' });
    await this.#expect("an event of ours reaches all of Serf's", () =>
      Promise.resolve(
        numbers.every((i) => this.#serfLines.some((line) => line.startsWith(`s${i} user-event: deploy`))),
      ),
    );
    await this.#serf('s1', 'event', '-coalesce=false', 'restart', 'now');
    await this.#expect("an event of Serf's reaches all of ours", async () => {
      await this.#look();
      return numbers.every((i) => this.#userEvents.includes(`o${i} restart now`));
    });
  }

  async #queries(all: readonly string[]): Promise<void> {
    await this.#expect("a query of Serf's is acknowledged by ten and answered by ours", async () => {
      const told = await this.#serf('s1', 'query', '-timeout=2s', 'load', 'how');
      return (
        /Total Acks: 10\nTotal Responses: 5/.test(told) && told.includes("Response from 'o5': s1 asked how")
      );
    });
    await this.#expect("a query of ours is acknowledged by all of Serf's and answered by ours", async () => {
      const order: QueryOrder = { name: 'o1', query: 'load', payload: 'what', timeoutMs: 2000 };
      const answers = (await this.#ours.get('o1')?.call<string[]>('query', order)) ?? [];
      return (
        all.every((name) => name === 'o1' || answers.includes(`ack ${name}`)) &&
        answers.includes('response o5 o1 asked what')
      );
    });
  }

  async #pause(name: string, areAlive: () => Promise<boolean>): Promise<void> {
    const fromMs = wallMs();
    const remote = this.#ours.get(name) as Remote;
    const before = await remote.call<MemberView>('view', name);
    remote.signal('SIGSTOP');
    await pause(stoppedMs);
    remote.signal('SIGCONT');
    await this.#expect('ours, stopped for 4 s, is suspected and refutes', async () => {
      const { incarnation } = await remote.call<MemberView>('view', name);
      return incarnation > before.incarnation && (await areAlive());
    });
    // As long as a suspicion of this pool may last.
    await pause(6000);
    await this.#look();
    const deaths = this.#sightings.filter(
      ({ atMs, kind, member }) => atMs >= fromMs && kind === 'dead' && member === name,
    );
    this.#report(
      'and nobody held it for failed',
      deaths.length === 0 && (await areAlive()),
      wallMs() - fromMs,
    );
  }

  async #rotateKeys(numbers: readonly number[]): Promise<void> {
    const fromMs = wallMs();
    const told = [
      await this.#serf('s1', 'keys', `-install=${keyB}`),
      await this.#serf('s1', 'keys', `-use=${keyB}`),
      await this.#serf('s1', 'keys', `-remove=${keyA}`),
      (await this.#serf('s1', 'keys', '-list')).replaceAll(/\s+/g, ' '),
    ];
    const wanted = [/Successfully installed/, /Successfully changed primary/, /Successfully removed/];
    const views: MemberView[] = [];
    for (const i of numbers) {
      const name = `o${i}`;
      views.push(await (this.#ours.get(name) as Remote).call<MemberView>('view', name));
    }
    const held =
      wanted.every((pattern, i) => pattern.test(told[i] ?? '')) &&
      (told[3] ?? '').includes(`${keyB} [10/10]`) &&
      !(told[3] ?? '').includes(keyA) &&
      views.every((view) => view.keys.join() === keyB);
    this.#report('`serf keys` installs, uses, removes and lists a key on all ten', held, wallMs() - fromMs);
  }

  async #go(name: string, as: SerfStatus, what: string, go: () => Promise<void>): Promise<void> {
    await go();
    await this.#expect(what, () => this.#allSee([name], as));
  }

  async #allSee(members: readonly string[], as: SerfStatus): Promise<boolean> {
    const lists = [...this.#agents.keys()].map(async (agent) => {
      const lines = (await this.#serf(agent, 'members')).split('\n').map((line) => line.split(/\s+/));
      return members.every((name) => lines.some(([first, , status]) => first === name && status === as));
    });
    const views = [...this.#ours].map(async ([name, remote]) => {
      const { states } = await remote.call<MemberView>('view', name);
      return members.every((member) => states[member] === ourWords[as]);
    });
    return (await Promise.all([...lists, ...views])).every((sees) => sees);
  }

  async #expect(what: string, reached: () => Promise<boolean>): Promise<void> {
    const fromMs = wallMs();
    let held = await reached();
    while (!held && wallMs() - fromMs < giveUpMs) {
      await pause(100);
      held = await reached();
    }
    this.#report(what, held, wallMs() - fromMs);
  }

  async #look(): Promise<void> {
    for (const remote of this.#ours.values()) {
      this.#sightings.push(...(await remote.call<Sighting[]>('sightings')));
      this.#userEvents.push(...(await remote.call<string[]>('userEvents')));
    }
  }

  #startAgent(name: string): void {
    const args = [
      'agent',
      `-node=${name}`,
      `-bind=${this.#address(name)}`,
      `-rpc-addr=${this.#rpc(name)}`,
      '-profile=lan',
      ...(this.#key === null ? [] : [`-encrypt=${this.#key}`]),
      ...(name === 's1' ? [] : [`-retry-join=${this.#address('s1')}`, '-retry-interval=1s']),
    ];
    const onLine = (line: string): void => {
      const sighting = sightingOf(name, line, wallMs());
      if (sighting !== undefined) this.#sightings.push(sighting);
      const event = /Received event: (.*)/.exec(line)?.[1];
      if (event !== undefined) this.#serfLines.push(`${name} ${event}`);
    };
    const onDeath = (error: Error): void => {
      throw error;
    };
    this.#agents.set(name, this.#place.startForeign(`serf ${name}`, 'serf', args, onDeath, { onLine }));
  }

  async #startOurs(name: string, through: string): Promise<void> {
    const [host = '', port] = this.#address(name).split(':');
    const config: MemberOrder['config'] = {
      name,
      preset: 'lan',
      bind: { host, port: Number(port) },
      tags: { role: 'ours' },
      gossipKeys: this.#key === null ? [] : [this.#key],
      keyring: { acceptRemote: true },
    };
    const remote = this.#place.start(name, this.#program, [], { core: null });
    this.#ours.set(name, remote);
    await remote.call('start', [{ config, seeds: [this.#address(through)] }] satisfies MemberOrder[]);
  }

  #address(name: string): string {
    return `${this.#host(name)}:${gossipPort}`;
  }

  #rpc(name: string): string {
    return `${this.#host(name)}:7373`;
  }

  #host(name: string): string {
    const number = Number(name.slice(1)) + (name.startsWith('o') ? size : 0);
    return `127.70.${this.#net}.${number}`;
  }

  /** Serf's command line against an agent; gives what it printed, also where it failed. */
  #serf(agent: string, command: string, ...args: readonly string[]): Promise<string> {
    return new Promise((resolve) => {
      execFile(
        'serf',
        [command, `-rpc-addr=${this.#rpc(agent)}`, ...args],
        { timeout: 20_000 },
        (_error, out, err) => resolve(out + err),
      );
    });
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
