/**
 * Networks of our own, one namespace per process: partitions that are real and silent, and touch nothing else on the machine.
 *
 *     n1 ──┐
 *     n2 ──┼── bridge in a namespace of its own ── client
 *     n3 ──┘
 *
 * Nothing leads out, not even to this machine. Every address has its hardware address set by hand, so that a direction is cut by
 * pointing it at a card that does not exist: the sender notices nothing, its packets just do not arrive. (A filter would do the same,
 * but needs a tool that is often absent; taking a link down is noticed by its owner.)
 */
import {
  inNamespace,
  ip,
  namespaceName,
  nowhere,
  removeNamespace,
  setUp,
  sweepNamespaces,
} from './namespaces.ts';

const kind = 'nemesis';
const hub = 'hub';
const client = 'client';

export interface Network {
  /** The command to put before a program so that it runs in the network of that member. */
  prefix(member: string): readonly string[];
  host(member: string): string;
  /** Loses everything on its way from one node to another, until healed. */
  cut(from: string, to: string): Promise<void>;
  /** Takes the node's link down: nobody reaches it, the client included. */
  unplug(nodeId: string): Promise<void>;
  heal(): Promise<void>;
  /** Removes the namespaces, now. Safe in an exit handler. */
  remove(): void;
}

/** Removes what runs have left whose process is gone. */
export const sweepNetworks = (): void => sweepNamespaces(kind);

/** @throws ClusterError `NETWORK_SETUP_FAILED`; nothing is left of it then. */
export const makeNetwork = (nodeIds: readonly string[]): Promise<Network> => setUp(new Namespaces(nodeIds));

class Namespaces implements Network {
  readonly #members: readonly string[];
  readonly #cuts: (readonly [from: string, to: string])[] = [];
  readonly #unplugged = new Set<string>();

  constructor(nodeIds: readonly string[]) {
    this.#members = [...nodeIds, client];
  }

  async make(): Promise<void> {
    const hubName = this.#name(hub);
    await ip(`netns add ${hubName}`);
    await ip(`-n ${hubName} link add br0 type bridge`);
    await ip(`-n ${hubName} link set br0 up`);
    for (const member of this.#members) {
      const name = this.#name(member);
      const port = this.#port(member);
      await ip(`netns add ${name}`);
      await ip(`-n ${name} link set lo up`);
      const peer = `peer name ${port} netns ${hubName}`;
      await ip(`-n ${name} link add eth0 address ${this.#card(member)} type veth ${peer}`);
      await ip(`-n ${hubName} link set ${port} master br0 up`);
      await ip(`-n ${name} address add ${this.host(member)}/24 dev eth0`);
      await ip(`-n ${name} link set eth0 up`);
    }
    for (const from of this.#members)
      for (const to of this.#members) if (from !== to) await this.#point(from, to, this.#card(to));
  }

  prefix(member: string): readonly string[] {
    return inNamespace(this.#name(member));
  }

  host(member: string): string {
    return `10.0.0.${1 + this.#members.indexOf(member)}`;
  }

  async cut(from: string, to: string): Promise<void> {
    this.#cuts.push([from, to]);
    await this.#point(from, to, nowhere);
  }

  async unplug(nodeId: string): Promise<void> {
    this.#unplugged.add(nodeId);
    await ip(`-n ${this.#name(hub)} link set ${this.#port(nodeId)} down`);
  }

  async heal(): Promise<void> {
    for (const [from, to] of this.#cuts.splice(0)) await this.#point(from, to, this.#card(to));
    for (const nodeId of this.#unplugged) {
      await ip(`-n ${this.#name(hub)} link set ${this.#port(nodeId)} up`);
    }
    this.#unplugged.clear();
  }

  remove(): void {
    for (const member of [...this.#members, hub]) removeNamespace(this.#name(member));
  }

  #point(from: string, to: string, card: string): Promise<void> {
    const neighbour = `${this.host(to)} lladdr ${card} dev eth0 nud permanent`;
    return ip(`-n ${this.#name(from)} neighbour replace ${neighbour}`);
  }

  #name(member: string): string {
    return namespaceName(kind, member);
  }

  #port(member: string): string {
    return `port${this.#members.indexOf(member)}`;
  }

  #card(member: string): string {
    return `02:00:00:00:00:${(1 + this.#members.indexOf(member)).toString(16).padStart(2, '0')}`;
  }
}
