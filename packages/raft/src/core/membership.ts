/**
 * The configurations in this node's log (thesis 4.1). The latest is in effect as soon as it is in the log, committed or not, and
 * stops being so when it is cut off again.
 *
 * Until it is known to be committed, whoever the one before names is still a peer, and may still stand: the latest may be lost again,
 * and its entry may be on no disk but those of nodes that it leaves out (thesis 4.2.2).
 */
import { ByteReader, ByteWriter } from '../bytes.ts';
import { readConfiguration, writeConfiguration } from '../configuration-codec.ts';
import { type Configuration, membersOf, votersOnly } from './configuration.ts';
import type { JointVoters } from './quorum.ts';
import type { Placed, Rules } from './rules.ts';
import type { Entry } from './types.ts';

export interface MembershipCheckpoint {
  readonly placed: readonly Placed[];
  readonly commitIndex: number;
  readonly version: number;
  readonly isCommitted: boolean;
  readonly leftOutUpTo: number;
}

/** The contents of a `configuration` entry. */
export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const writer = new ByteWriter();
  writeConfiguration(writer, configuration);
  return writer.take();
}

/** The reverse, of what has been checked on its way in. */
export const decodeConfiguration = (command: Uint8Array): Configuration =>
  readConfiguration(new ByteReader(command));

export class Membership {
  readonly #self: string;
  readonly #rules: Rules;
  // In the order of the log; the first is what the log begins with.
  #placed: readonly Placed[];
  #inForce: Placed;
  #commitIndex = 0;
  #isCommitted = false;
  // Others have agreed up to here on members without this node.
  #leftOutUpTo = -1;
  /** Counts what came into effect, or back into it. */
  version = 0;
  /** All who get the log, or are still told that they do not any more, without this node. */
  peers: readonly string[] = [];
  /** The voters, of both halves while it is joint, without this node. */
  electorate: readonly string[] = [];
  quorum: JointVoters = { incoming: [], outgoing: [] };
  isVoter = false;
  /** Whether this node may stand in an election. */
  mayStand = false;

  /** @param voters of a log without a configuration. */
  constructor(self: string, voters: readonly string[], rules: Rules) {
    this.#self = self;
    this.#rules = rules;
    this.#placed = [{ index: 0, configuration: votersOnly(voters) }];
    this.#inForce = this.#first;
    this.#derive();
  }

  /** The one in effect. */
  get configuration(): Configuration {
    return this.#inForce.configuration;
  }

  /** Its place in the log. */
  get index(): number {
    return this.#inForce.index;
  }

  /** Whether this node knows it to be committed. */
  get isCommitted(): boolean {
    return this.#isCommitted;
  }

  /** Others have agreed on leaving this node out, and its own log does not tell of anything later. */
  get isLeftOut(): boolean {
    return this.#leftOutUpTo >= this.index;
  }

  /** Whether it is agreed on that a node is no member. Who belongs to no group yet does not know who does. */
  leavesOut(id: string): boolean {
    const isTold = membersOf(this.configuration).length > 0;
    return isTold && this.#isCommitted && id !== this.#self && !this.peers.includes(id);
  }

  /**
   * Up to `index` the log is committed, and its members leave this node out. What is committed stays so: if it was added again, that
   * is later in the log, which has to reach it before it could be elected by anybody (leader completeness, thesis 3.6.3). So it
   * loses nothing by standing in no election until then, however old the news may be.
   *
   * @returns whether that is news.
   */
  leftOutUpTo(index: number): boolean {
    const wasLeftOut = this.isLeftOut;
    this.#leftOutUpTo = Math.max(this.#leftOutUpTo, index);
    this.#derive();
    return this.isLeftOut && !wasLeftOut;
  }

  /** The one in effect at an index that is in the log, or at its base. */
  at(index: number): Configuration {
    return (this.#placed.findLast((placed) => placed.index <= index) ?? this.#first).configuration;
  }

  appended(entries: readonly Entry[]): void {
    for (const { kind, index, command } of entries) {
      if (kind !== 'configuration') continue;
      this.#placed = [...this.#placed, { index, configuration: decodeConfiguration(command) }];
      this.#choose();
    }
  }

  truncatedAfter(index: number): void {
    if (this.#placed.every((placed) => placed.index <= index)) return;
    this.#placed = this.#placed.filter((placed) => placed.index <= index);
    this.#choose();
  }

  /**
   * A snapshot covers the log up to `index`, where `configuration` is in effect.
   *
   * @param goesOn whether what the log holds behind it stays.
   */
  rebase(index: number, configuration: Configuration, goesOn: boolean): void {
    const kept = goesOn ? this.#placed.filter((placed) => placed.index > index) : [];
    this.#placed = [{ index, configuration }, ...kept];
    this.#changed(this.#chosen);
  }

  /** The log is committed up to here. @returns whether that makes the configuration in effect a committed one. */
  committed(commitIndex: number): boolean {
    this.#commitIndex = commitIndex;
    this.#choose();
    if (this.#isCommitted || !this.#rules.isAgreedOn(this.index, commitIndex)) return false;
    this.#isCommitted = true;
    this.#derive();
    return true;
  }

  get #first(): Placed {
    return this.#placed[0] as Placed;
  }

  get #chosen(): Placed {
    return this.#rules.inForce(this.#placed, this.#commitIndex) ?? this.#first;
  }

  /** What is in force may be another than before. */
  #choose(): void {
    const chosen = this.#chosen;
    if (chosen !== this.#inForce) this.#changed(chosen);
  }

  #changed(inForce: Placed): void {
    this.#inForce = inForce;
    this.version++;
    this.#isCommitted = false;
    this.#derive();
  }

  #derive(): void {
    const { configuration } = this;
    const before = this.#isCommitted ? undefined : this.#placed.at(-2)?.configuration;
    const others = (ids: readonly string[]): readonly string[] => [
      ...new Set(ids.filter((id) => id !== this.#self)),
    ];
    this.quorum = this.#rules.votersOf(configuration);
    this.isVoter = hasVote(configuration, this.#self);
    const hadVote = before !== undefined && hasVote(before, this.#self);
    this.mayStand = (this.isVoter || hadVote) && !this.isLeftOut;
    this.electorate = others([...configuration.voters, ...configuration.outgoing]);
    this.peers = others([...membersOf(configuration), ...(before === undefined ? [] : membersOf(before))]);
  }

  checkpoint(): MembershipCheckpoint {
    return {
      placed: this.#placed,
      commitIndex: this.#commitIndex,
      version: this.version,
      isCommitted: this.#isCommitted,
      leftOutUpTo: this.#leftOutUpTo,
    };
  }

  restore({ placed, commitIndex, version, isCommitted, leftOutUpTo }: MembershipCheckpoint): void {
    this.#leftOutUpTo = leftOutUpTo;
    this.#placed = placed;
    this.#commitIndex = commitIndex;
    this.#inForce = this.#chosen;
    this.version = version;
    this.#isCommitted = isCommitted;
    this.#derive();
  }
}

const hasVote = ({ voters, outgoing }: Configuration, id: string): boolean =>
  voters.includes(id) || outgoing.includes(id);
