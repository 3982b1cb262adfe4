/** A member of a datacenter and of the pool between datacenters, as people use it. */
import { ClusterError, type Done, formatAddress, type Outcome, silentLogger } from '@cluster/core';
import type { Member } from '../member.ts';
import type { SwimPorts } from '../ports.ts';
import { type Cancellable, Swim } from '../swim.ts';
import { parseAddress, type Tags } from '../wire.ts';
import {
  type DatacenterConfig,
  type DatacenterConfigInput,
  parseDatacenterConfig,
  withWanAddress,
} from './config.ts';
import { datacenterTag, FloodJoin, type FloodPool, wanTag } from './flood-join.ts';

/** Of each pool its own: their incarnations are kept apart, and so may their keys be. */
export interface DatacenterPorts {
  readonly lan: SwimPorts;
  readonly wan: SwimPorts;
}

export class Datacenter {
  /** The pool of this datacenter: who is in the cluster here, by LAN timings. */
  readonly lan: Swim;
  /** The pool between datacenters: who can be reached there, by WAN timings. Nothing in `lan` follows from it. */
  readonly wan: Swim;
  readonly #config: DatacenterConfig;
  readonly #flood: FloodJoin;

  private constructor(config: DatacenterConfig, lan: Swim, wan: Swim, { clock, logger }: SwimPorts) {
    this.#config = config;
    this.lan = lan;
    this.wan = wan;
    this.#flood = new FloodJoin({
      datacenter: config.datacenter,
      periodMs: config.floodPeriodMs,
      clock,
      logger: logger ?? silentLogger,
      lan,
      wan: poolOf(wan),
    });
    this.#flood.start();
  }

  /**
   * Starts a member of both pools; it is alone in both until it joins.
   * @throws ClusterError `SWIM_DATACENTER_CONFIG_INVALID`, or what the start of a pool says.
   */
  static async start(input: DatacenterConfigInput, ports: DatacenterPorts): Promise<Datacenter> {
    const config = parseDatacenterConfig(input);
    const wan = await Swim.start(config.wan, ports.wan);
    try {
      const address = formatAddress(wan.self.address);
      const lan = await Swim.start(withWanAddress(config.lan, address), ports.lan);
      return new Datacenter(config, lan, wan, ports.wan);
    } catch (error) {
      await wan.stop();
      throw error;
    }
  }

  get name(): string {
    return this.#config.datacenter;
  }

  /** Joins the datacenter through LAN addresses of its members. @returns how many answered. @throws as `Swim.join`. */
  join(seeds: readonly string[], options: Cancellable = {}): Promise<number> {
    return this.lan.join(seeds, options);
  }

  /**
   * Joins other datacenters through WAN addresses of their members. One member of a datacenter is enough: the others follow by
   * themselves. The seeds are tried again whenever no other datacenter is known, for as long as this process lives: without a
   * `dataDir` of `wan`, which remembers the members themselves, call it at each start.
   * @returns how many answered. @throws as `Swim.join`.
   */
  joinWan(seeds: readonly string[], options: Cancellable = {}): Promise<number> {
    this.#flood.remember(seeds.map(parseAddress));
    return this.wan.join(seeds, options);
  }

  /** Members between datacenters, by datacenter. Those of ours are better looked up in `lan`. */
  datacenters(): ReadonlyMap<string, readonly Member[]> {
    const all = new Map<string, Member[]>();
    for (const member of this.wan.members()) {
      const datacenter = member.tags[datacenterTag];
      if (datacenter === undefined) continue;
      const members = all.get(datacenter);
      if (members === undefined) all.set(datacenter, [member]);
      else members.push(member);
    }
    return all;
  }

  /** Replaces the tags of this member in its datacenter, but for those by which the pools know each other. */
  setTags(tags: Tags): void {
    const address = formatAddress(this.wan.self.address);
    this.lan.setTags({ ...tags, [datacenterTag]: this.name, [wanTag]: address });
  }

  /** Says goodbye to both pools. */
  async leave(options: Cancellable = {}): Promise<void> {
    this.#flood.stop();
    await Promise.all([this.lan.leave(options), this.wan.leave(options)]);
  }

  /** Closes both without a goodbye; idempotent. */
  async stop(): Promise<void> {
    this.#flood.stop();
    await Promise.all([this.lan.stop(), this.wan.stop()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

const poolOf = (swim: Swim): FloodPool => ({
  members: () => swim.members(),
  join: (seeds, done) => void tell(swim.join(seeds.map(formatAddress)), done),
});

async function tell(joining: Promise<number>, done: Done<number>): Promise<void> {
  let outcome: Outcome<number>;
  try {
    outcome = { ok: true, value: await joining };
  } catch (error) {
    if (!ClusterError.is(error)) throw error;
    outcome = { ok: false, error };
  }
  done(outcome);
}
