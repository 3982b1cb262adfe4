/**
 * The configuration of a member: every number with its default, unit, range and what changing it costs.
 *
 * The defaults are the project's documented ones; a preset replaces those that are not given. The presets `lan`, `wan` and
 * `local` are memberlist's, for pools shared with Serf, where all members should agree on the timings.
 */
import { type Address, parseConfig } from '@cluster/core';
import * as z from 'zod';
import {
  encodeTags,
  hostBytes,
  isWithin,
  metaBytesMax,
  metadataTag,
  metadataTagValue,
  parseNetwork,
  type Tags,
} from './wire.ts';

const day = 24 * 60 * 60 * 1000;
const ms = (low: number, high: number, fallback: number): z.ZodDefault<z.ZodNumber> =>
  z.number().min(low).max(high).default(fallback);
const whole = (low: number, high: number, fallback: number): z.ZodDefault<z.ZodInt> =>
  z.int().min(low).max(high).default(fallback);

const host = z.string().min(1).max(255);
const bind = z.object({ host, port: z.int().min(0).max(65_535) });
const advertise = z.object({
  host: host.refine((text) => hostBytes(text) !== undefined, 'must be an IP address: peers dial it as it is'),
  port: z.int().min(1).max(65_535),
});
// Room for names and numbers beside a map.
const pieceOverheadBytes = 2048;
const isWildcard = (text: string): boolean => text === '0.0.0.0' || text === '::';
const name = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,128}$/, 'must be 1 to 128 letters, digits, dots, dashes or underscores');

const shape = z.object({
  name: name.describe('Name of this member, unique in the pool.'),
  bind: bind
    .default({ host: '127.0.0.1', port: 0 })
    .describe('Gossip address, UDP and TCP on one port; port 0 takes a free one.'),
  advertise: advertise
    .optional()
    .describe('Address that others dial; default: the bound one.')
    .meta({ advice: 'Required with a wildcard bind address, and behind NAT.' }),
  preset: z
    .enum(['default', 'lan', 'wan', 'local'])
    .default('default')
    .describe('Timings for the keys that are not given.'),
  tags: z
    .record(z.string().min(1), z.string())
    .default({})
    .describe(`Spread to every member; at most ${metaBytesMax} bytes encoded.`),
  label: z
    .string()
    .max(255)
    .default('')
    .describe('Pool label in front of every packet; packets with another are refused.')
    .meta({ advice: 'Keeps pools apart that reach each other by mistake. Serf before 0.10 has no labels.' }),
  allowedNetworks: z
    .array(
      z
        .string()
        .refine((text) => parseNetwork(text) !== undefined, 'must be a network, as 10.0.0.0/8 or fd00::/8'),
    )
    .min(1)
    .max(256)
    .optional()
    .describe(
      'Networks in CIDR form that members may be in; word of any other address is refused, whoever brings it. None given: all.',
    )
    .meta({
      advice:
        'Give the same on every node. It limits mistakes and stray traffic; it is no proof of identity.',
    }),
  gossipKeys: z
    .array(z.string())
    .max(8)
    .default([])
    .describe('Keys of 16, 24 or 32 bytes in base64: the first seals, all open. None: plain text.'),
  compression: z
    .boolean()
    .default(true)
    .describe('Compress what we send where that makes it smaller; what comes compressed is always read.')
    .meta({ advice: 'A push/pull of alike members shrinks to about a third; off saves little time.' }),
  keyring: z
    .object({
      acceptRemote: z
        .boolean()
        .default(false)
        .describe("Take key changes from the pool: `serf keys` and other members' rotation.")
        .meta({ advice: 'Whoever holds one key can then shut others out; a shared key is no identity.' }),
    })
    .prefault({}),
  dataDir: z
    .string()
    .optional()
    .describe(
      'Folder for the incarnation, the members known and changed gossip keys; none: nothing is kept over a restart.',
    ),

  probePeriodMs: ms(10, 60_000, 1000)
    .describe('One member is probed in each period.')
    .meta({ unit: 'ms', advice: 'Detection time grows with it; load falls.' }),
  pingTimeoutMs: ms(5, 30_000, 500)
    .describe('Wait for a direct answer before others are asked to try.')
    .meta({ unit: 'ms', advice: 'Set it above the 99th percentile of the round trip.' }),
  indirectProbes: whole(0, 16, 3).describe('Members asked to probe in our place.'),
  streamProbe: z
    .boolean()
    .default(true)
    .describe('Also try TCP when a direct ping fails, to tell lost UDP from a lost member.'),
  streamProbeExcept: z
    .array(name)
    .max(10_000)
    .default([])
    .describe('Members that get no TCP ping from this one: whose firewall lets none through.'),
  suspectTimeoutMs: ms(100, 3_600_000, 5000)
    .describe('Upper bound of a suspicion: nobody stays suspected longer.')
    .meta({ unit: 'ms' }),
  suspicionMult: z
    .number()
    .min(0.1)
    .max(100)
    .default(1)
    .describe('Lower bound of a suspicion: this many probe periods, times log10 of the pool size.')
    .meta({ advice: 'Raise it where members are often slow to answer.' }),
  suspicionMaxMult: z
    .number()
    .min(1)
    .max(100)
    .default(6)
    .describe(
      'A suspicion that nobody confirms lasts this many times the lower bound, within suspectTimeoutMs.',
    ),
  suspicionConfirmations: whole(0, 16, 2).describe(
    'Independent confirmations that bring a suspicion to its lower bound; 0: it starts there.',
  ),
  healthScoreMax: whole(1, 64, 8).describe(
    'Bound of the local health score: the probe period grows up to this factor.',
  ),

  buddySystem: z
    .boolean()
    .default(true)
    .describe('A ping to a suspected member says so, so that it can refute at once (Lifeguard).')
    .meta({ advice: 'Off for comparisons only: it costs a few bytes of a ping to a suspect.' }),

  gossipPeriodMs: ms(5, 60_000, 200).describe('Time between gossip rounds.').meta({ unit: 'ms' }),
  gossipFanout: whole(1, 32, 3).describe('Members gossiped to in a round.'),
  retransmitMult: whole(1, 32, 4)
    .describe(
      'Who has heard a broadcast sends it this many times, and as often again for each power of ten of the pool size.',
    )
    .meta({ advice: 'More bytes, fewer members that have to wait for push/pull.' }),
  gossipToTheDeadMs: ms(0, day, 30_000)
    .describe('The dead are gossiped to for so long, so that one declared dead by mistake can refute it.')
    .meta({ unit: 'ms' }),
  packetBytesMax: whole(1200, 65_507, 1400)
    .describe('Largest UDP payload.')
    .meta({ unit: 'bytes', advice: 'Keep it below the path MTU.' }),

  pushPullPeriodMs: ms(0, day, 30_000)
    .describe('Full exchange with one member; 0: none. Grows with the pool above 32 members.')
    .meta({ unit: 'ms' }),
  reconnectPeriodMs: ms(0, day, 30_000)
    .describe('A dead member is tried over TCP about so often, so that a healed partition rejoins; 0: never.')
    .meta({ unit: 'ms' }),
  reapAfterMs: ms(0, 30 * day, day)
    .describe('Dead and left members are forgotten after this.')
    .meta({ unit: 'ms' }),
  verifyJoiners: z
    .boolean()
    .default(true)
    .describe(
      'Ping a newcomer at the address that it names before it is admitted; one that does not answer is refused, with the reason.',
    )
    .meta({
      advice:
        'Costs one round trip in a join, and keeps out members whose UDP is blocked or whose address is wrong.',
    }),
  rejoinPeriodMs: ms(0, day, 5000)
    .describe('While alone after a restart, a few of the members known before are tried so often; 0: never.')
    .meta({ unit: 'ms' }),
  rejoinAfterLeave: z
    .boolean()
    .default(false)
    .describe(
      'Remember the members also over a graceful leave; by default who leaves has to be told to join again.',
    ),
  nameConflict: z
    .enum(['resolve', 'report'])
    .default('resolve')
    .describe(
      'Of two members of one name, the one that fewer know at its address stops (Serf); or the conflict is only reported.',
    ),
  forgottenMax: whole(0, 100_000, 256)
    .describe(
      'Addresses of reaped dead, and of members known before a restart and not met since, that are still tried every reconnectPeriodMs, so that a partition of any length heals; at the bound the oldest is dropped.',
    )
    .meta({ advice: '0 where machines that died never come back.' }),
  nameReclaimMs: ms(0, 30 * day, 30_000)
    .describe(
      'A member dead for so long may come back at another address; one that left may as soon as nobody answers at the old one.',
    )
    .meta({ unit: 'ms' }),
  leaveTimeoutMs: ms(10, 60_000, 5000)
    .describe('Longest wait for the news of our leaving to spread.')
    .meta({ unit: 'ms' }),
  streamTimeoutMs: ms(100, 120_000, 10_000)
    .describe('Bound of a TCP exchange, connecting included.')
    .meta({ unit: 'ms' }),

  eventsMax: whole(16, 1_000_000, 1024).describe(
    'Events waiting for one reader; beyond, it loses the oldest and meets one Overflow in their place.',
  ),
  membersMax: whole(2, 100_000, 10_000).describe(
    'Members kept; at the bound newcomers are refused and counted.',
  ),
  broadcastsMax: whole(16, 1_000_000, 20_000).describe(
    'Broadcasts queued; at the bound the most often sent one is dropped.',
  ),
  pushPullBytesMax: whole(65_536, 1 << 30, 20 << 20)
    .describe('Largest push/pull state; a larger one is refused.')
    .meta({ unit: 'bytes' }),
  inflateBytesMax: whole(1024, 1 << 30, 20 << 20)
    .describe('Largest size that compressed content may unfold to.')
    .meta({ unit: 'bytes' }),
  userMessageBytesMax: whole(0, 1 << 30, 1 << 20)
    .describe('Largest user message over TCP; a larger one is refused.')
    .meta({ unit: 'bytes' }),
  inboundBytesMax: whole(65_536, 1 << 30, 64 << 20)
    .describe(
      'Bytes of unfinished TCP exchanges kept for all peers together; the stream that goes beyond is closed.',
    )
    .meta({
      unit: 'bytes',
      advice: 'At least pushPullBytesMax; anybody who reaches the port can use it up.',
    }),
  inboundStreamsMax: whole(1, 65_535, 128).describe(
    'TCP exchanges accepted at a time; more are closed at once.',
  ),
  outboundStreamsMax: whole(1, 65_535, 128).describe(
    'TCP exchanges of our own at a time; more fail at once.',
  ),
  relaysMax: whole(1, 65_535, 1024).describe('Probes made for others at a time; more are dropped.'),
  seedsMax: whole(1, 4096, 256).describe('Addresses contacted by one join, names resolved.'),
  serf: z
    .object({
      enabled: z
        .boolean()
        .default(true)
        .describe('Speak the Serf layer: intents, user events, queries. Off: the pool is plain memberlist.'),
      eventBytesMax: whole(1, 9216, 512)
        .describe('Largest user event of ours, name and payload together.')
        .meta({ unit: 'bytes' }),
      queryBytesMax: whole(1, 9216, 1024).describe('Largest query of ours, encoded.').meta({ unit: 'bytes' }),
      responseBytesMax: whole(1, 9216, 1024)
        .describe('Largest answer of ours, encoded.')
        .meta({ unit: 'bytes' }),
      eventBuffer: whole(16, 65_536, 512).describe(
        'Lamport times of user events that are remembered, against repetition and for members that missed them.',
      ),
      queryBuffer: whole(16, 65_536, 512).describe('Lamport times of queries remembered against repetition.'),
      queriesMax: whole(1, 65_536, 256).describe('Questions of ours open at a time; more are refused.'),
      queryTimeoutMaxMs: ms(100, 3_600_000, 60_000)
        .describe("Longest time that a query's answers are waited for.")
        .meta({ unit: 'ms' }),
      broadcastsMax: whole(16, 1_000_000, 4096).describe(
        'Intents, queries and events queued, of each; at the bound the most often sent one is dropped.',
      ),
    })
    .prefault({}),
  metadata: z
    .object({
      enabled: z
        .boolean()
        .default(true)
        .describe('Hold a key-value map of every member. Known to our other nodes by a tag of four bytes.'),
      periodMs: ms(50, 3_600_000, 5000)
        .describe('What is held is compared with one member so often; news does not wait for it.')
        .meta({ unit: 'ms' }),
      keyBytesMax: whole(1, 4096, 256).describe('Longest key of ours.').meta({ unit: 'bytes' }),
      valueBytesMax: whole(0, 1 << 20, 16_384)
        .describe('Largest value of ours.')
        .meta({ unit: 'bytes' }),
      ownerBytesMax: whole(1024, 16 << 20, 65_536)
        .describe(
          'Largest map of one member, 32 bytes for each key included; at the bound our writes are refused, and those of others stay as they were.',
        )
        .meta({ unit: 'bytes', advice: 'The same on every member.' }),
      totalBytesMax: whole(65_536, 1 << 30, 64 << 20)
        .describe('All maps together; at the bound what others write is refused and counted.')
        .meta({ unit: 'bytes' }),
      pieceBytesMax: whole(4096, 64 << 20, 131_072)
        .describe('Larger answers go over TCP in pieces of this size.')
        .meta({ unit: 'bytes', advice: 'Above ownerBytesMax: a map is never cut.' }),
      tombstoneMs: ms(0, day, 60_000)
        .describe('Deleted keys are remembered so long; whoever was away for longer gets the whole map.')
        .meta({ unit: 'ms' }),
    })
    .prefault({}),
  incarnationJumpMax: whole(1, 0x7fff_ffff, 1 << 24)
    .describe('A message whose incarnation is further above the known one is refused.')
    .meta({ advice: 'Guards the end of the 32-bit range, from where a member could no longer refute.' }),
});

/** Every key is checked alone by its range, and here against the others. */
export const swimConfigSchema = shape.superRefine((config, context) => {
  const refuse = (key: string, message: string): void =>
    context.addIssue({ code: 'custom', path: [key], message });
  if (config.pingTimeoutMs >= config.probePeriodMs)
    refuse(
      'pingTimeoutMs',
      `must be below probePeriodMs (${config.probePeriodMs}), which also holds the indirect probe`,
    );
  if (config.suspectTimeoutMs < config.suspicionMult * config.probePeriodMs)
    refuse(
      'suspectTimeoutMs',
      'must be at least suspicionMult * probePeriodMs, the lower bound of a suspicion',
    );
  if (config.gossipPeriodMs > config.suspectTimeoutMs / 2)
    refuse('gossipPeriodMs', 'must be at most half of suspectTimeoutMs, or a refutation comes too late');
  if (config.reapAfterMs < config.gossipToTheDeadMs)
    refuse('reapAfterMs', 'must be at least gossipToTheDeadMs: the forgotten cannot be gossiped to');
  if (config.inboundBytesMax < config.pushPullBytesMax)
    refuse('inboundBytesMax', `must be at least pushPullBytesMax (${config.pushPullBytesMax})`);
  const { ownerBytesMax, pieceBytesMax } = config.metadata;
  if (pieceBytesMax < ownerBytesMax + pieceOverheadBytes)
    refuse('metadata', `pieceBytesMax must be ${pieceOverheadBytes} above ownerBytesMax (${ownerBytesMax})`);
  if (pieceBytesMax > config.userMessageBytesMax)
    refuse('metadata', `pieceBytesMax must be at most userMessageBytesMax (${config.userMessageBytesMax})`);
  if (metadataTag in config.tags) refuse('tags', `${metadataTag} is the tag of metadata.enabled`);
  if (isWildcard(config.bind.host) && config.advertise === undefined)
    refuse('advertise', `is required when bind is ${config.bind.host}: others need an address to dial`);
  if (hostBytes(config.bind.host) === undefined) refuse('bind', 'host must be an IP address');
  const own = config.advertise ?? config.bind;
  const networks = config.allowedNetworks?.flatMap((text) => parseNetwork(text) ?? []);
  if (networks !== undefined && !isWildcard(own.host) && !isWithin(own.host, networks))
    refuse('allowedNetworks', `leave out this member's own address (${own.host})`);
  const metaBytes = encodeTags(tagsOf(config, config.tags)).length;
  if (metaBytes > metaBytesMax) refuse('tags', `take ${metaBytes} bytes encoded, more than ${metaBytesMax}`);
});

/** What a member spreads as its tags: those of people, and the one that says it exchanges metadata. */
export const tagsOf = ({ metadata }: Pick<SwimConfig, 'metadata'>, tags: Tags): Tags =>
  metadata.enabled ? { ...tags, [metadataTag]: metadataTagValue } : tags;

export type SwimConfig = z.output<typeof shape>;
export type SwimConfigInput = z.input<typeof shape>;
export type SwimPreset = SwimConfig['preset'];

// memberlist waits for k = suspicionMult - 2 confirmations and has no bound of its own: the hour stands for none.
const none = 3_600_000;

/** memberlist's DefaultLANConfig, DefaultWANConfig and DefaultLocalConfig. */
export const swimPresets: Readonly<Record<SwimPreset, Partial<SwimConfigInput>>> = {
  default: {},
  lan: { suspicionMult: 4, suspicionConfirmations: 2, suspectTimeoutMs: none },
  wan: {
    probePeriodMs: 5000,
    pingTimeoutMs: 3000,
    suspicionMult: 6,
    suspicionConfirmations: 4,
    suspectTimeoutMs: none,
    gossipPeriodMs: 500,
    gossipFanout: 4,
    gossipToTheDeadMs: 60_000,
    pushPullPeriodMs: 60_000,
    streamTimeoutMs: 30_000,
  },
  local: {
    pingTimeoutMs: 200,
    indirectProbes: 1,
    suspicionMult: 3,
    suspicionConfirmations: 1,
    suspectTimeoutMs: none,
    retransmitMult: 2,
    gossipPeriodMs: 100,
    gossipToTheDeadMs: 15_000,
    pushPullPeriodMs: 15_000,
    streamTimeoutMs: 1000,
  },
};

/** @throws ClusterError `SWIM_CONFIG_INVALID` naming every wrong key. */
export function parseSwimConfig(input: SwimConfigInput): SwimConfig {
  const preset = swimPresets[input.preset ?? 'default'] ?? {};
  const given = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
  return parseConfig(swimConfigSchema, { ...preset, ...given }, 'SWIM_CONFIG_INVALID');
}

/** Where others reach this member, given where it is bound. */
export const advertised = (config: SwimConfig, bound: Address): Address => config.advertise ?? bound;
