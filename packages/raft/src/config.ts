/** All keys of this package, with their defaults, bounds and advice. */
import * as z from 'zod';
import { maxFrameBytes } from './wal/format.ts';

const kibi = 1024;
const mebi = 1024 * 1024;
const milliseconds = z.int().min(1).max(3_600_000);
const bytes = z
  .int()
  .min(1024)
  .max(256 * mebi);

export const nodeIdSchema = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,128}$/, 'must be 1 to 128 letters, digits, dots, underscores or hyphens');

export const raftConfigSchema = z
  .object({
    nodeId: nodeIdSchema.describe('Name of this node.'),
    groupId: z
      .int()
      .min(0)
      .max(0xffff_ffff)
      .default(0)
      .describe('Which log of several; the same on all its voters.'),
    voters: z
      .array(nodeIdSchema)
      .max(31)
      .describe(
        'All nodes whose majority decides when the group begins, this one included; the same on each of them. Empty on a node that is added later. From the first change of members on, the log says who they are.',
      ),
    priorities: z
      .record(nodeIdSchema, z.int().min(-100).max(100))
      .default({})
      .describe(
        'Who stands earlier when the leader is lost, by name of node: the higher first, a heartbeat before the next; who is not named has 0, and those alike go by name. Who lacks entries is still not elected, and a leader at work keeps the lead: transferLeadership moves it. The same on every node.',
      ),
    heartbeatMs: milliseconds
      .default(50)
      .meta({ unit: 'ms', advice: 'Several times the round trip between nodes.' }),
    electionTimeoutMinMs: milliseconds.default(250).meta({
      unit: 'ms',
      advice: 'At least three heartbeats; longer where nodes pause or the network stalls.',
    }),
    electionTimeoutMaxMs: milliseconds
      .default(500)
      .meta({ unit: 'ms', advice: 'Far enough above the minimum that two nodes rarely stand at once.' }),
    preVote: z
      .boolean()
      .default(true)
      .describe('Ask before standing, so that a node that was cut off unseats nobody.'),
    checkQuorum: z
      .boolean()
      .default(true)
      .describe(
        'A leader without contact to a majority steps down, and votes are refused while a leader is heard.',
      ),
    leaseReads: z
      .boolean()
      .default(false)
      .describe(
        'Leaders may answer reads that ask for it from a lease, which rests on clocks. The same on every node, as the election timeouts then have to be: set it on all before the first lease read. With it nobody stands before an election timeout has passed, though the connection to the leader breaks, and a node that starts helps nobody to the lead for as long.',
      ),
    leaseShare: z
      .number()
      .min(0.1)
      .max(0.8)
      .default(0.7)
      .describe(
        'How much of electionTimeoutMinMs a lease lasts. The rest is for clocks that run at different speeds, and for suspends too short to be noticed.',
      ),
    commandBytesMax: bytes
      .default(mebi)
      .meta({ unit: 'bytes', advice: 'Put larger values elsewhere, and their name here.' }),
    appendBytesMax: bytes
      .default(256 * kibi)
      .meta({ unit: 'bytes', advice: 'Entries in one message; a single larger command still gets through.' }),
    messageBytesMax: bytes.default(16 * mebi).meta({
      unit: 'bytes',
      advice: 'Larger messages are refused; results of the state machine must fit as well.',
    }),
    inflightMessagesMax: z
      .int()
      .min(1)
      .max(65_536)
      .default(64)
      .describe('Appends to one follower that are not answered yet.'),
    inflightBytesMax: bytes
      .default(4 * mebi)
      .meta({ unit: 'bytes', advice: 'At least bandwidth times round trip, or the link idles.' }),
    catchUpMs: milliseconds
      .default(5000)
      .describe(
        'A follower that lacks more than appendBytesMax of what the others commit without it gets, beside what they commit, the rest over some of these; all at once when nothing is committed meanwhile.',
      )
      .meta({ unit: 'ms', advice: 'Longer leaves more of the machines to what is proposed meanwhile.' }),
    uncommittedBytesMax: bytes.default(64 * mebi).meta({
      unit: 'bytes',
      advice: 'What the leader takes before a majority has it; beyond that proposals get RAFT_BUSY.',
    }),
    pendingProposalsMax: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(8192)
      .describe('Proposals of this node that are not answered yet; beyond that they get RAFT_BUSY.'),
    proposalTimeoutMs: milliseconds.default(5000).meta({
      unit: 'ms',
      advice: 'Longer than an election takes, so that a change of leader goes unnoticed.',
    }),
    applyBytesMax: bytes.default(mebi).meta({
      unit: 'bytes',
      advice: 'Commands handed to the state machine at once; a single larger one still is.',
    }),
    snapshotEntries: z.int().min(1).max(100_000_000).default(50_000).meta({
      unit: 'entries',
      advice:
        'A snapshot is taken when so many have been applied since the one before; a start applies at most about as many.',
    }),
    snapshotBytes: bytes.default(64 * mebi).meta({
      unit: 'bytes',
      advice:
        'As snapshotEntries, by size. Not far below the size of the state, or snapshots are all that is written.',
    }),
    logTailEntries: z.int().min(0).max(100_000_000).default(10_000).meta({
      unit: 'entries',
      advice: 'Kept behind a snapshot, so that a follower that is a little behind needs none.',
    }),
    logTailBytes: bytes.default(16 * mebi).meta({ unit: 'bytes', advice: 'As logTailEntries, by size.' }),
    logBytesMax: bytes.default(256 * mebi).meta({
      unit: 'bytes',
      advice:
        'Up to here the log keeps what a follower that answers will need, while it is being sent a snapshot and when it catches up behind it; beyond it the follower gets another one.',
    }),
    snapshotPieceBytes: bytes
      .default(256 * kibi)
      .meta({ unit: 'bytes', advice: 'One message of a snapshot; the next follows when it is answered.' }),
    snapshotBytesPerSecondMax: z
      .int()
      .min(kibi)
      .max(kibi * mebi * 16)
      .default(64 * mebi)
      .meta({
        unit: 'bytes/s',
        advice: 'To one follower; it gets less where a piece takes long, for the pause behind it is as long.',
      }),
    sessionsMax: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(4096)
      .describe('Open client sessions; one more closes the least recently used. The same on every node.'),
    sessionResultsMax: z
      .int()
      .min(1)
      .max(65_536)
      .default(256)
      .describe('Results kept per session, by highest sequence. The same on every node.'),
  })
  .superRefine((config, context) => {
    const rule = (holds: boolean, key: keyof typeof config, message: string): void => {
      if (!holds) context.addIssue({ code: 'custom', path: [key], message });
    };
    const { voters, nodeId, heartbeatMs, electionTimeoutMinMs, electionTimeoutMaxMs } = config;
    rule(
      voters.length === 0 || voters.includes(nodeId),
      'voters',
      `must contain this node, ${nodeId}, or nobody`,
    );
    rule(new Set(voters).size === voters.length, 'voters', 'must not name a node twice');
    rule(!config.leaseReads || config.checkQuorum, 'leaseReads', 'needs checkQuorum');
    rule(
      !config.leaseReads || electionTimeoutMinMs * config.leaseShare > heartbeatMs,
      'leaseShare',
      'must leave a lease longer than a heartbeat, or it is never in force',
    );
    rule(electionTimeoutMinMs >= 2 * heartbeatMs, 'electionTimeoutMinMs', 'must be at least two heartbeats');
    rule(
      electionTimeoutMaxMs > electionTimeoutMinMs,
      'electionTimeoutMaxMs',
      'must be above electionTimeoutMinMs',
    );
    const payload = Math.max(config.commandBytesMax, config.appendBytesMax, config.snapshotPieceBytes) + kibi;
    rule(
      config.messageBytesMax >= payload,
      'messageBytesMax',
      'must exceed commandBytesMax, appendBytesMax and snapshotPieceBytes by 1 KiB',
    );
    rule(config.logTailBytes <= config.logBytesMax, 'logTailBytes', 'must not be above logBytesMax');
    rule(
      config.commandBytesMax <= maxFrameBytes / 2,
      'commandBytesMax',
      'must fit the log several times over',
    );
  });

export type RaftConfigInput = z.input<typeof raftConfigSchema>;
export type RaftConfig = z.output<typeof raftConfigSchema>;

export const walConfigSchema = z.object({
  directory: z.string().min(1).default('wal').describe("The log's folder on its disk."),
  segmentBytes: z
    .int()
    .min(4 * kibi)
    .max(kibi * mebi)
    .default(64 * mebi)
    .meta({
      unit: 'bytes',
      advice: 'Smaller segments are dropped sooner, larger ones are made more rarely.',
    }),
  growthBytes: z
    .int()
    .min(4 * kibi)
    .max(kibi * mebi)
    .default(4 * mebi)
    .meta({
      unit: 'bytes',
      advice: 'A segment is preallocated in steps of this size, so that making one does not stall.',
    }),
  groupBytesMax: z
    .int()
    .min(4 * kibi)
    .max(maxFrameBytes / 2)
    .default(4 * mebi)
    .meta({ unit: 'bytes', advice: 'Writes that share one flush; a single larger one is still written.' }),
});

export type WalConfigInput = z.input<typeof walConfigSchema>;
export type WalConfig = z.output<typeof walConfigSchema>;
