/**
 * The lease in a replicated log, simulated: one order of requests, and at each node a replica that applies it late, restarts from the
 * beginning or from an image, and measures time by that node's own clock. Requests are lost, late by seconds, or there twice.
 */
import type { Clock, Done } from '@cluster/core';
import type { NodePorts, World } from '@cluster/sim';
import { LeaseReplica, LoggedLease, type LeasePort } from '@cluster/swim';

/** What a planted bug puts in the place of a replica. */
export interface ReplicaLike {
  apply(index: number, command: Uint8Array): Uint8Array;
  image(): Uint8Array;
  install(image: Uint8Array): boolean;
}

export interface LeaseLogOptions {
  readonly world: World;
  readonly outlastMs: number;
  /** Whether a node reaches whoever takes requests into the log. */
  readonly reached: (node: string) => boolean;
  readonly replica?: ((clock: Clock) => ReplicaLike) | undefined;
}

const lossRate = 0.05;
const lateRate = 0.03;
const twiceRate = 0.05;
const lateMs = 3000;
const imageRate = 0.5;

export class LeaseLog {
  readonly #options: LeaseLogOptions;
  readonly #commands: Uint8Array[] = [];
  /** What the first replica to apply an index said. */
  readonly #said: string[] = [];
  /** Images, by the index that they are of. */
  #image: { readonly index: number; readonly bytes: Uint8Array } | null = null;

  constructor(options: LeaseLogOptions) {
    this.#options = options;
  }

  /** For one process. */
  leasePort({ name, clock }: NodePorts): LeasePort {
    const { world, outlastMs, reached } = this.#options;
    const replica = this.#options.replica?.(clock) ?? new LeaseReplica();
    const waiting = new Map<number, Done<Uint8Array>>();
    let appliedIndex = 0;
    const lease = new LoggedLease({
      clock,
      outlastMs,
      propose: (command, done) => {
        if (!reached(name) || world.prng.chance(lossRate)) return;
        const isLate = world.prng.chance(lateRate);
        // In the network, where it outlives who sent it.
        world.after(world.prng.float() * (isLate ? lateMs : 5), () => {
          if (isLate) world.counters.add('lateLeaseRequests');
          waiting.set(this.#commands.push(command), done);
          if (world.prng.chance(twiceRate)) this.#commands.push(command);
        });
      },
    });
    const image = this.#image;
    if (image !== null && world.prng.chance(imageRate)) {
      replica.install(image.bytes);
      appliedIndex = image.index;
      lease.applied(appliedIndex);
      world.counters.add('leaseImages');
    }
    const follow = (): void => {
      clock.setTimer(1 + world.prng.float() * 10, follow);
      if (!reached(name)) return;
      while (appliedIndex < this.#commands.length) {
        const command = this.#commands[appliedIndex++] as Uint8Array;
        const answer = replica.apply(appliedIndex, command);
        lease.applied(appliedIndex);
        this.#compare(name, appliedIndex, answer);
        waiting.get(appliedIndex)?.({ ok: true, value: answer });
        waiting.delete(appliedIndex);
      }
      if (this.#image === null || appliedIndex > this.#image.index + 100)
        this.#image = { index: appliedIndex, bytes: replica.image() };
    };
    follow();
    return lease;
  }

  #compare(name: string, index: number, answer: Uint8Array): void {
    const text = new TextDecoder().decode(answer);
    const said = (this.#said[index] ??= text);
    if (said !== text)
      this.#options.world.fail(
        'every replica of the lease says the same',
        `at ${index} ${name} says ${text}, and another said ${said}`,
      );
  }
}
