/**
 * A world of nodes on virtual time, in which everything that happens follows from one seed.
 *
 * A node is a host (address, disk) on which processes come and go. `spawn` starts one through its boot function, which gets the
 * ports of that incarnation; they die with it. Nothing here waits: `runFor` takes events one by one until the time is reached,
 * and the checkers look after each. An error anywhere ends the run with a {@link SimulationFailure} that names the seed.
 */
import {
  assert,
  ListRecorder,
  type Logger,
  Prng,
  silentLogger,
  type TimerHandle,
  type TraceRecord,
  type TraceStep,
  Tracer,
} from '@cluster/core';
import { hostClock, worldWallClock } from './clock.ts';
import type { Counters } from './counters.ts';
import { diskPort } from './disk/port.ts';
import { type DiskOptions, SimulatedDisk } from './disk/simulated-disk.ts';
import { InvariantBroken } from './failure.ts';
import { type Fault, performFault, type ScriptedFault } from './faults.ts';
import { anySide, Host } from './host.ts';
import { Kernel } from './kernel.ts';
import { Fabric } from './network/fabric.ts';
import { type Links, type NetworkOptions, quietNetwork } from './network/links.ts';
import { Network } from './network/network.ts';
import type { NodePorts, Process } from './process.ts';
import { Starvation } from './starvation.ts';
import { traceOf } from './world-trace.ts';

export interface WorldOptions {
  readonly seed: number;
  readonly network?: NetworkOptions;
  readonly disk?: DiskOptions;
  /** Keeps every step for {@link World.trace}. Default false: it costs several times the run itself. */
  readonly trace?: boolean;
  /** A node's logger. Default: silence. */
  readonly logger?: (node: string) => Logger;
}

interface Node {
  readonly host: Host;
  readonly disk: SimulatedDisk;
  readonly starvation: Starvation;
  readonly boot: (ports: NodePorts) => Process;
  process: Process | null;
}

export class World {
  readonly seed: number;
  /** For the scenario: clients, fault scripts. Independent of what the nodes and the network draw. */
  readonly prng: Prng;
  readonly tracer: Tracer | undefined;
  readonly #options: WorldOptions;
  readonly #kernel: Kernel;
  readonly #network: Network;
  readonly #links: Links;
  readonly #bootSeeds: Prng;
  readonly #diskSeeds: Prng;
  readonly #starvationSeeds: Prng;
  readonly #recorder: ListRecorder | undefined;
  readonly #nodes = new Map<string, Node>();
  #edit = (script: readonly ScriptedFault[]): readonly ScriptedFault[] => script;

  constructor(options: WorldOptions) {
    this.seed = options.seed;
    this.#options = options;
    const root = Prng.fromSeed(options.seed, 'world');
    this.#recorder = options.trace === true ? new ListRecorder() : undefined;
    this.tracer = this.#recorder && new Tracer({ sink: this.#recorder });
    this.#kernel = new Kernel(options.seed, root.fork('kernel'), this.tracer);
    const fabric = new Fabric(this.#kernel, root.fork('network'), options.network ?? {});
    this.#links = fabric.links;
    this.#network = new Network(fabric);
    this.#bootSeeds = root.fork('boot');
    this.#diskSeeds = root.fork('disk');
    this.prng = root.fork('scenario');
    this.#starvationSeeds = root.fork('starvation');
  }

  get nowMs(): number {
    return this.#kernel.nowMs;
  }

  /** Events that have happened. */
  get steps(): number {
    return this.#kernel.steps;
  }

  get counters(): Counters {
    return this.#kernel.counters;
  }

  /** Equal for equal runs, whether traced or not. */
  get digest(): number {
    return this.#kernel.digest;
  }

  /** Names of the nodes, in the order they were spawned. */
  get nodes(): readonly string[] {
    return [...this.#nodes.keys()];
  }

  isUp(name: string): boolean {
    return this.#node(name).host.up;
  }

  isPaused(name: string): boolean {
    return this.#node(name).host.paused;
  }

  /** How long a node's processes have been paused in all, until the last was resumed. */
  pausedMs(name: string): number {
    return this.#node(name).host.pausedMs;
  }

  /** Address of a node in the simulated network. */
  addressOf(name: string): string {
    return this.#node(name).host.address;
  }

  /**
   * Adds a node and starts its process at once.
   * @param options `down`: not yet; `restart` is to do it.
   */
  spawn(
    name: string,
    boot: (ports: NodePorts) => Process,
    { down = false }: { readonly down?: boolean } = {},
  ): void {
    assert(!this.#nodes.has(name), `node ${name} is new`);
    const { socketBufferBytes } = { ...quietNetwork, ...this.#options.network };
    const host = new Host(name, this.#nodes.size, socketBufferBytes);
    const disk = new SimulatedDisk(this.#kernel, host, this.#diskSeeds.fork(name), this.#options.disk ?? {});
    const starvation = new Starvation(this.#kernel, host, this.#starvationSeeds.fork(name));
    this.#nodes.set(name, { host, disk, starvation, boot, process: null });
    this.#network.add(host);
    if (!down) this.#start(name);
  }

  /**
   * Ends a node's process without warning.
   * @param keepsMemory only the process died: what it wrote is not lost, synced or not. Default: the whole machine went down.
   */
  crash(name: string, { keepsMemory = false }: { readonly keepsMemory?: boolean } = {}): void {
    const node = this.#node(name);
    if (!node.host.up) return;
    this.#note(name, { type: 'CRASHED', keepsMemory });
    this.counters.add('crashes');
    this.#end(node);
    node.disk.crash(keepsMemory);
  }

  /** Ends a node's process in an orderly way; its disk keeps what was written. */
  stop(name: string): void {
    const node = this.#node(name);
    if (!node.host.up) return;
    this.#note(name, { type: 'STOPPED' });
    node.process?.stop?.();
    this.#end(node);
    node.disk.crash(true);
  }

  /** Starts a process on a node that has none, on the disk the last one left. */
  restart(name: string): void {
    const { host } = this.#node(name);
    if (host.up) return;
    if (host.incarnation > 0) this.counters.add('restarts');
    this.#start(name);
  }

  /** Stops a process in its tracks (SIGSTOP): what is due waits, and time goes on. */
  pause(name: string): void {
    const { host } = this.#node(name);
    if (!host.up || host.paused) return;
    this.#note(name, { type: 'PAUSED' });
    this.counters.add('pauses');
    host.paused = true;
    host.pausedAtMs = this.nowMs;
  }

  resume(name: string): void {
    const { host } = this.#node(name);
    if (!host.paused) return;
    this.#note(name, { type: 'RESUMED' });
    host.paused = false;
    host.pausedMs += this.nowMs - host.pausedAtMs;
    this.#kernel.release(host);
  }

  /** Holds up what a node sends and what comes for it, or lets it all go; its timers run (Lifeguard, section V). */
  block(name: string, blocked: boolean): void {
    const { host } = this.#node(name);
    if (!host.up || host.blocked === blocked) return;
    this.#note(name, { type: blocked ? 'BLOCKED' : 'UNBLOCKED' });
    if (blocked) this.counters.add('blocks');
    host.blocked = blocked;
    if (!blocked) this.#kernel.release(host);
  }

  /** Gives a process this mean time for each event; 0 makes it as fast as the others. */
  slow(name: string, meanMs: number): void {
    const { host } = this.#node(name);
    if (meanMs > 0) this.counters.add('slowdowns');
    host.slowMs = meanMs;
    host.readyAtMs = 0;
  }

  /** Takes the processor away from a node again and again: it runs for a while, then stalls, both of random length around a mean. */
  starve(name: string, { runMs, stallMs }: { readonly runMs: number; readonly stallMs: number }): void {
    if (stallMs > 0) this.counters.add('starvations');
    this.#node(name).starvation.set(runMs, stallMs);
  }

  /** Makes the clock of a node run fast or slow from now on; 1 is right. What it is off by remains. */
  setClockRate(name: string, rate: number): void {
    assert(rate > 0, 'a clock runs forward');
    const { time } = this.#node(name).host;
    if (rate !== 1) this.counters.add('drifts');
    if (rate !== time.rate) time.setRate(rate, this.nowMs);
  }

  /**
   * Cuts the network into these sides. Nodes not named reach every side and are reached from it, as a client or an observer
   * between them would. Replaces an earlier partition.
   * @param isBridged for the count: somebody was left between the sides on purpose.
   */
  partition(sides: readonly (readonly string[])[], { isBridged = false } = {}): void {
    this.counters.add('partitions');
    if (isBridged) this.counters.add('bridges');
    const sideOf = new Map(sides.flatMap((side, index) => side.map((name) => [name, index + 1] as const)));
    for (const [name, { host }] of this.#nodes) host.side = sideOf.get(name) ?? anySide;
  }

  /** Cuts one direction of a link. */
  cut(from: string, to: string): void {
    this.counters.add('cuts');
    this.#links.cut(this.#node(from).host, this.#node(to).host);
  }

  mend(from: string, to: string): void {
    this.#links.mend(this.#node(from).host, this.#node(to).host);
  }

  /** True when a packet from one node would reach the other, were its process up. */
  reaches(from: string, to: string): boolean {
    return this.#links.reaches(this.#node(from).host, this.#node(to).host);
  }

  /** Ends every partition and cut. */
  heal(): void {
    for (const { host } of this.#nodes.values()) host.side = anySide;
    this.#links.mendAll();
  }

  /** Changes delay, loss, duplication or reordering; what is not named returns to the world's options. */
  setNetwork(options: NetworkOptions): void {
    this.#links.change(options);
  }

  /** Makes one direction of a link differ from the network in what is named; in nothing, to make it like the others again. */
  setLink(from: string, to: string, options: NetworkOptions): void {
    if (Object.keys(options).length > 0) this.counters.add('oddLinks');
    this.#links.changeLink(this.#node(from).host, this.#node(to).host, options);
  }

  /** The disk of a node: where a test makes it full, failing, or a trap. */
  diskOf(name: string): SimulatedDisk {
    return this.#node(name).disk;
  }

  /** Runs `body` after a delay, in no node's name. */
  after(delayMs: number, body: () => void): TimerHandle {
    return this.#kernel.after(delayMs, body);
  }

  /** Has scripts changed before they are scheduled: how a failing one is made shorter. */
  editScripts(edit: (script: readonly ScriptedFault[]) => readonly ScriptedFault[]): void {
    this.#edit = edit;
  }

  /** Schedules faults at their times, counted from now. */
  schedule(script: readonly ScriptedFault[]): void {
    for (const { atMs, ...fault } of this.#edit(script)) {
      this.after(atMs, () => this.perform(fault));
    }
  }

  perform(fault: Fault): void {
    this.#note('', { ...fault, type: `FAULT_${fault.type}` });
    performFault(this, fault);
  }

  /** Looks after every event; throws {@link InvariantBroken}, or calls {@link World.fail}, to end the run. */
  onStep(check: () => void): void {
    this.#kernel.onStep(check);
  }

  /** Ends the run at the end of the current event (outside of one, at the next run), even from inside a node that swallows errors. */
  fail(invariant: string, detail: string): void {
    this.#kernel.fail(new InvariantBroken(invariant, detail));
  }

  /** Takes one event that is due by `limitMs`; false when there is none. */
  step(limitMs = Infinity): boolean {
    return this.#kernel.step(limitMs);
  }

  /** @throws SimulationFailure */
  runUntil(atMs: number): void {
    while (this.#kernel.step(atMs));
    this.#kernel.advanceTo(atMs);
  }

  /** @throws SimulationFailure */
  runFor(durationMs: number): void {
    this.runUntil(this.nowMs + durationMs);
  }

  /** Runs until `reached` holds, looking after every event; false when `withinMs` passes first. */
  runWhileNot(reached: () => boolean, withinMs: number): boolean {
    const limitMs = this.nowMs + withinMs;
    while (!reached()) {
      if (!this.#kernel.step(limitMs)) {
        this.#kernel.advanceTo(limitMs);
        return reached();
      }
    }
    return true;
  }

  /** The records of a traced world behind their header; empty when it was not traced. */
  trace(note?: string): readonly TraceRecord[] {
    const { network = {}, disk = {} } = this.#options;
    return traceOf(this.seed, { network, disk }, this.#recorder, note);
  }

  #node(name: string): Node {
    const node = this.#nodes.get(name);
    assert(node !== undefined, `there is a node ${name}`);
    return node;
  }

  #start(name: string): void {
    const node = this.#node(name);
    const { host } = node;
    host.up = true;
    host.incarnation++;
    this.#note(name, { type: 'STARTED', incarnation: host.incarnation });
    const { incarnation } = host;
    const ports: NodePorts = {
      name,
      host: host.address,
      incarnation,
      clock: hostClock(this.#kernel, host),
      wallClock: worldWallClock(this.#kernel),
      datagrams: this.#network.datagrams(host),
      streams: this.#network.streams(host),
      disk: diskPort(node.disk),
      messages: (topic) => this.#network.messages(host, incarnation, topic),
      seed: this.#bootSeeds.u32(),
      tracer: this.tracer,
      logger: this.#options.logger?.(name) ?? silentLogger,
    };
    node.process = node.boot(ports);
  }

  #end(node: Node): void {
    const { host } = node;
    this.#network.crash(host);
    host.up = false;
    host.paused = false;
    host.blocked = false;
    node.process = null;
    this.#kernel.release(host);
  }

  /** What happens to a node, as a step of the trace. */
  #note(node: string, input: TraceStep['input'] & Readonly<Record<string, unknown>>): void {
    const { tracer } = this;
    if (tracer === undefined) return;
    const seq = tracer.begin();
    tracer.step({
      kind: 'step',
      seq,
      t: this.nowMs,
      node,
      core: 'world',
      input,
      cause: tracer.cause,
      machines: [],
      effects: [],
    });
  }
}
