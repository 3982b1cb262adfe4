/** The configuration of quorum and partitions. */
import { parseConfig } from '@cluster/core';
import * as z from 'zod';
import { stabilityWindowMs } from './stability.ts';
import type { QuorumRule } from './strategy.ts';

const shape = z.object({
  name: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,128}$/)
    .describe('Name of this member, as on the roster.'),
  strategy: z
    .enum(['lease-majority', 'roster-majority', 'static-quorum', 'keep-oldest', 'down-all', 'keep-majority'])
    .default('roster-majority')
    .describe('Which side of a partition lives on.')
    .meta({ advice: 'lease-majority wherever a coordinator runs; keep-majority is best effort.' }),
  staticQuorum: z
    .int()
    .min(1)
    .max(128)
    .optional()
    .describe('static-quorum: members that make a quorum.')
    .meta({ advice: 'A roster of more than 2q - 1 has no quorum at all, and says so.' }),
  downIfAlone: z
    .boolean()
    .default(true)
    .describe('keep-oldest: an oldest member left alone is given up for all the others.'),
  beatPeriodMs: z
    .number()
    .min(5)
    .max(60_000)
    .default(1000)
    .describe('Grants, or the lease, are asked for so often.')
    .meta({ unit: 'ms', advice: 'Each member asks each other: n(n-1) small messages in a period.' }),
  quorumTtlMs: z
    .number()
    .min(20)
    .max(600_000)
    .default(5000)
    .describe('A grant or a lease counts for so long, from when it was asked for.')
    .meta({ unit: 'ms', advice: 'A minority serves at most so long after it was cut off.' }),
  clockMargin: z
    .number()
    .min(0.01)
    .max(1)
    .default(0.1)
    .describe('Those who wait for a grant or a lease to run out wait longer by this share of it.')
    .meta({ advice: 'Above the largest difference in the rate of two clocks.' }),
  stabilityMs: z
    .number()
    .min(0)
    .max(600_000)
    .optional()
    .describe('Reachability must stand still for so long before a partition is decided.')
    .meta({ unit: 'ms', advice: 'Default by roster size: 7 s for 5, 10 s for 10, 30 s for 1000 members.' }),
  unstableRatio: z
    .number()
    .min(0.1)
    .max(10)
    .default(0.75)
    .describe(
      'Members come and go, and for the window and this share of it nothing stood still: the node downs itself.',
    ),
  minorityDelayMs: z
    .number()
    .min(0)
    .max(60_000)
    .default(2000)
    .describe('lease-majority: a side without majority waits so long before it asks for the lease.')
    .meta({ unit: 'ms' }),
  leaseTimeoutMs: z
    .number()
    .min(20)
    .max(600_000)
    .default(12_000)
    .describe('lease-majority: a side that has not got the lease within this downs itself.')
    .meta({ unit: 'ms', advice: 'Above quorumTtlMs, which the other side may still have.' }),
  shrink: z
    .boolean()
    .default(false)
    .describe('Propose to take members that stay away off the roster, one at a time.')
    .meta({ advice: 'Needs a roster that changes by agreement.' }),
  shrinkAfterMs: z
    .number()
    .min(20)
    .max(86_400_000)
    .default(10_000)
    .describe('A side must have been upheld for so long before each proposal.')
    .meta({ unit: 'ms' }),
  rosterFloor: z.int().min(1).max(128).default(3).describe('The roster is never shrunk below this.'),
  rosterMax: z.int().min(1).max(128).default(128).describe('A roster larger than this has no quorum.'),
  fencesMax: z
    .int()
    .min(16)
    .max(65_536)
    .default(1024)
    .describe('Lives of members that are fenced off and remembered; at the bound the oldest is forgotten.'),
});

export const quorumConfigSchema = shape.superRefine((config, context) => {
  const refuse = (key: string, message: string): void =>
    context.addIssue({ code: 'custom', path: [key], message });
  if (config.strategy === 'static-quorum' && config.staticQuorum === undefined)
    refuse('staticQuorum', 'is required by the strategy static-quorum');
  if (config.quorumTtlMs < 2 * config.beatPeriodMs)
    refuse('quorumTtlMs', 'must be at least twice beatPeriodMs: one lost message must not cost the quorum');
  if (config.leaseTimeoutMs <= config.quorumTtlMs * (1 + config.clockMargin))
    refuse('leaseTimeoutMs', 'must be above quorumTtlMs and its margin: the other side may hold it so long');
});

export type QuorumConfig = z.output<typeof shape>;
export type QuorumConfigInput = z.input<typeof shape>;

/** @throws ClusterError `SWIM_QUORUM_CONFIG_INVALID`. */
export const parseQuorumConfig = (input: QuorumConfigInput): QuorumConfig =>
  parseConfig(quorumConfigSchema, input, 'SWIM_QUORUM_CONFIG_INVALID');

/** The strategy with what it depends on. */
export const ruleOf = ({ strategy, staticQuorum = 1, downIfAlone }: QuorumConfig): QuorumRule => ({
  strategy,
  staticQuorum,
  downIfAlone,
});

/** What somebody waits until no grant and no lease from before can count anywhere. */
export const outlastMs = ({ quorumTtlMs, clockMargin }: QuorumConfig): number =>
  quorumTtlMs * (1 + clockMargin);

export interface PartitionTimings {
  readonly stableMs: number;
  readonly unstableMs: number;
  readonly minorityDelayMs: number;
  readonly leaseTimeoutMs: number;
  readonly shrinkAfterMs: number;
}

/** @param members of the roster, or of the view where there is none. */
export function timingsFor(config: QuorumConfig, members: number): PartitionTimings {
  const stableMs = config.stabilityMs ?? stabilityWindowMs(members);
  const { minorityDelayMs, leaseTimeoutMs, shrinkAfterMs } = config;
  return {
    stableMs,
    unstableMs: stableMs * (1 + config.unstableRatio),
    minorityDelayMs,
    leaseTimeoutMs,
    shrinkAfterMs,
  };
}
