/**
 * Two network namespaces of our own with a cable between them: a pool's members live on both sides, each with an address of its own,
 * and pulling the cable is a partition that nobody is told of.
 *
 *     near: 10.1.0.1, 10.1.0.2, …  ──cable──  far: 10.2.0.1, 10.2.0.2, …
 *
 * Within a side packets go over its loopback. Nothing leads out. The cable is cut by pointing each end at a card that does not exist:
 * packets just do not arrive. (A link that goes down is noticed by its owner, and a filter needs a tool that is often absent.)
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import {
  inNamespace,
  ip,
  namespaceName,
  nowhere,
  removeNamespace,
  setUp,
  sweepNamespaces,
} from '@cluster/nemesis';
import { noTraffic, parseTraffic, plus, type Traffic } from './traffic.ts';

export type Side = 'near' | 'far';

const run = promisify(execFile);
const sides: readonly Side[] = ['near', 'far'];
const nets: Readonly<Record<Side, number>> = { near: 1, far: 2 };
const kind = 'bench';
// Without them every segment's header has the same length, so that payload can be told from headers.
const optionsOff = ['tcp_timestamps', 'tcp_sack', 'tcp_window_scaling'];

export class PrivateNetwork {
  readonly #name: string;
  readonly #sizes: Readonly<Record<Side, number>>;

  private constructor(name: string, sizes: Readonly<Record<Side, number>>) {
    this.#name = name;
    this.#sizes = sizes;
  }

  /** @throws ClusterError `NETWORK_SETUP_FAILED`; nothing is left of it then. */
  static make(name: string, sizes: Readonly<Record<Side, number>>): Promise<PrivateNetwork> {
    sweepNamespaces(kind);
    return setUp(new PrivateNetwork(name, sizes));
  }

  host(side: Side, index: number): string {
    return `10.${nets[side]}.${index >> 8}.${(index & 255) + 1}`;
  }

  /** The command to put before a program so that it runs on that side; the program takes its place. */
  prefix(side: Side): readonly string[] {
    return inNamespace(this.#namespace(side));
  }

  async traffic(): Promise<Traffic> {
    let sum = noTraffic;
    for (const side of sides) {
      const [file, ...args] = [...this.prefix(side), 'cat', '/proc/net/snmp', '/proc/net/netstat'];
      sum = plus(sum, parseTraffic((await run(file, args)).stdout));
    }
    return sum;
  }

  async cut(): Promise<void> {
    for (const side of sides) await this.#point(side, nowhere);
  }

  async mend(): Promise<void> {
    for (const side of sides) await this.#point(side, card(other(side)));
  }

  /** Now, and safe in an exit handler. */
  remove(): void {
    for (const side of sides) removeNamespace(this.#namespace(side));
  }

  async make(): Promise<void> {
    for (const side of sides) await ip(`netns add ${this.#namespace(side)}`);
    const far = this.#namespace('far');
    const peer = `peer name cable netns ${far} address ${card('far')}`;
    await ip(`-n ${this.#namespace('near')} link add cable address ${card('near')} type veth ${peer}`);
    for (const side of sides) {
      const inside = `-n ${this.#namespace(side)}`;
      for (const link of ['lo', 'cable']) await ip(`${inside} link set ${link} gso_max_segs 1 up`);
      for (const option of optionsOff) await this.#turnOff(side, option);
      for (let index = 0; index < this.#sizes[side]; index++)
        await ip(`${inside} address add ${this.host(side, index)}/32 dev lo`);
      await ip(`${inside} address add ${cableHost(side)}/24 dev cable`);
      await this.#point(side, card(other(side)));
      await ip(`${inside} route add 10.${nets[other(side)]}.0.0/16 via ${cableHost(other(side))} dev cable`);
    }
  }

  async #turnOff(side: Side, option: string): Promise<void> {
    const [file, ...args] = [...this.prefix(side), 'sh', '-c', `echo 0 >/proc/sys/net/ipv4/${option}`];
    await run(file, args);
  }

  #point(side: Side, at: string): Promise<void> {
    const neighbour = `${cableHost(other(side))} lladdr ${at} dev cable nud permanent`;
    return ip(`-n ${this.#namespace(side)} neighbour replace ${neighbour}`);
  }

  #namespace(side: Side): string {
    return namespaceName(kind, `${this.#name}-${side}`);
  }
}

const other = (side: Side): Side => (side === 'near' ? 'far' : 'near');
const card = (side: Side): string => `02:00:00:00:00:0${nets[side]}`;
const cableHost = (side: Side): string => `10.9.0.${nets[side]}`;
