/** Configuration of the transport: every default, unit, range and relation. */
import * as z from 'zod';
import { deflateCapability } from './core/compression.ts';
import type { PeerLimits } from './core/handshake.ts';
import { bulkCapability } from './core/identity.ts';

const name = z.string().regex(/^[A-Za-z0-9._-]{1,128}$/, 'letters, digits, ".", "_" and "-", at most 128');
const ms = (def: number, min: number, max: number): z.ZodDefault<z.ZodInt> =>
  z.int().min(min).max(max).default(def);

export const transportConfigSchema = z
  .strictObject({
    nodeId: name.describe('The id in the certificate: of a node, or of a client that only dials.'),
    clusterName: name.describe('Must equal the cluster in every certificate.'),
    bind: z
      .object({ host: z.string().min(1), port: z.int().min(0).max(65_535) })
      .nullable()
      .describe('Where to listen; port 0 takes a free one; null: dial only.'),
    codecHashes: z
      .record(z.string().regex(/^[\x21-\x7e]{1,128}$/), z.string().regex(/^[\x21-\x7e]{1,128}$/))
      .default({})
      .describe("Hash of each message codec's structures; peers that differ refuse each other."),
    messageBytesMax: z
      .int()
      .min(1024)
      .max(64 * 1024 * 1024)
      .default(16 * 1024 * 1024)
      .describe('The largest message, sent or taken.')
      .meta({ unit: 'bytes', advice: 'A large one leaves in chunks of 64 KiB, and others go between them.' }),
    streamWindowBytes: z
      .int()
      .min(65_536)
      .max(1024 * 1024 * 1024 - 1)
      .default(16 * 1024 * 1024)
      .describe(
        'What a peer may have sent of one priority before handlers have finished with it; a message is counted with 256 bytes more.',
      )
      .meta({ unit: 'bytes', advice: 'At least the bandwidth times the round trip, or the link idles.' }),
    sessionWindowBytes: z
      .int()
      .min(65_536)
      .max(1024 * 1024 * 1024 - 1)
      .default(32 * 1024 * 1024)
      .describe('The same over High, Normal and Low together; Critical is counted by itself.')
      .meta({ unit: 'bytes', advice: 'Bounds the memory that slow handlers cost, per peer.' }),
    bulkConnection: z
      .boolean()
      .default(false)
      .describe(
        'Whether Normal and Low get a connection of their own to a node that has this on as well, where they keep the one there is crowded, so that Critical and High do not wait behind them.',
      )
      .meta({
        advice:
          'For links that bulk saturates. It costs a connection for each peer that moves bulk, and bounds by peer then hold for each of the two.',
      }),
    bulkAfterBytes: z
      .int()
      .min(1024)
      .default(256 * 1024)
      .describe('A connection is crowded while more bytes than this wait to be written.')
      .meta({ unit: 'bytes', advice: 'Below readyBytes, or senders that wait for ready() never get there.' }),
    bulkAfterMs: ms(100, 0, 3_600_000)
      .describe('How long it has to be crowded before the other is made.')
      .meta({ unit: 'ms' }),
    compression: z
      .enum(['off', 'deflate'])
      .default('off')
      .describe(
        'Whether messages whose sender asks for it are compressed, where the peer has it on as well; also whether compressed ones are taken.',
      )
      .meta({
        advice:
          'Ask for it only where nobody can put text of his own beside a secret in one message: the length would tell of the secret.',
      }),
    compressionBytesMin: z
      .int()
      .min(64)
      .max(64 * 1024 * 1024)
      .default(4096)
      .describe('Smaller messages go as they are.')
      .meta({ unit: 'bytes' }),
    compressionBytesMax: z
      .int()
      .min(64)
      .max(64 * 1024 * 1024)
      .default(1024 * 1024)
      .describe('Larger ones, too: compressing occupies the process.')
      .meta({
        unit: 'bytes',
        advice: 'At level 1 reckon with 10 ms for 1 MiB, in which nothing else happens.',
      }),
    compressionLevel: z
      .int()
      .min(1)
      .max(9)
      .default(1)
      .describe('1: fast; 9: small.')
      .meta({ advice: 'Above 1 the network has to be slow for it to pay.' }),
    streamsMax: z
      .int()
      .min(0)
      .max(65_535)
      .default(256)
      .describe(
        'Streams that a peer may have open at once, those included that are over and not read, or whose handler is still at work; more are reset.',
      ),
    controlFramesMax: z
      .int()
      .min(64)
      .max(1_048_576)
      .default(4096)
      .describe(
        'Ends, resets and grants of room for streams that wait for one peer or its acknowledgement, besides six for each of streamsMax; also pongs and pings that wait. Beyond it the connection and its session end with TRANSPORT_CONTROL_FLOOD.',
      )
      .meta({ unit: 'frames', advice: 'No peer that reads and acknowledges comes near it.' }),
    streamBufferBytes: z
      .int()
      .min(1024)
      .max(64 * 1024 * 1024)
      .default(256 * 1024)
      .describe(
        'Bytes of one stream that may be sent and not yet read, in each direction, at first; also what a writer may have waiting besides one piece.',
      )
      .meta({ unit: 'bytes', advice: 'It grows by itself where it is too little.' }),
    streamBufferBytesMax: z
      .int()
      .min(1024)
      .max(512 * 1024 * 1024)
      .default(8 * 1024 * 1024)
      .describe(
        'How large that becomes while half of it is read within two round trips; never more than streamBufferBytes and half of streamsBufferBytes.',
      )
      .meta({
        unit: 'bytes',
        advice:
          'Four times bandwidth times round trip for one stream to fill the link; no more than streamBufferBytes: it stays as it is.',
      }),
    streamsBufferBytes: z
      .int()
      .min(1024)
      .max(1024 * 1024 * 1024 - 1)
      .default(16 * 1024 * 1024)
      .describe('The same over all streams of a peer.')
      .meta({
        unit: 'bytes',
        advice:
          'Bounds the memory that readers who do not read cost, per peer. Half of it is for windows to grow.',
      }),
    queueMessagesMax: z
      .int()
      .min(16)
      .max(1_048_576)
      .default(65_536)
      .describe(
        'Messages waiting for one peer, unacknowledged ones included; beyond it posts are dropped, calls rejected.',
      ),
    queueBytesMax: z
      .int()
      .min(65_536)
      .default(17 * 1024 * 1024)
      .describe('Bytes waiting for one peer, unacknowledged ones included.')
      .meta({
        unit: 'bytes',
        advice: 'Bounds the memory a peer that does not read can cost: that grows by some MiB more.',
      }),
    readyBytes: z
      .int()
      .min(1024)
      .default(512 * 1024)
      .describe('Bytes waiting to be written to a peer below which ready() resolves.')
      .meta({ unit: 'bytes', advice: 'More keeps more memory alive and makes nothing faster.' }),
    inFlightBytesMin: z
      .int()
      .min(1024)
      .max(64 * 1024 * 1024)
      .default(256 * 1024)
      .describe(
        'Bytes that may always be written to a peer and not acknowledged; how many more is tuned by what the path delivers and by its round trip.',
      )
      .meta({
        unit: 'bytes',
        advice: 'Critical waits behind as much on a slow path; less than 256 KiB keeps a fast one idle.',
      }),
    inFlightDelayMs: z
      .number()
      .min(0)
      .max(1000)
      .default(1)
      .describe(
        'How long more than two round trips what may be written and not acknowledged takes at the rate the path has shown.',
      )
      .meta({
        unit: 'ms',
        advice: 'Critical waits no longer for it; less than a turn of an event loop keeps a fast path idle.',
      }),
    windowMessages: z
      .int()
      .min(64)
      .max(1_048_576)
      .refine((value) => (value & (value - 1)) === 0, 'must be a power of two')
      .default(32_768)
      .describe('Messages written and not yet acknowledged, per peer.'),
    callsMax: z.int().min(1).default(65_536).describe('Requests waiting for an answer, per peer.'),
    inboundCallsMax: z
      .int()
      .min(1)
      .default(4096)
      .describe('Requests of one peer being handled; more are answered with TRANSPORT_OVERLOADED.'),
    requestTimeoutMs: ms(5000, 1, 3_600_000)
      .describe('Deadline of a call that names none.')
      .meta({ unit: 'ms' }),
    dialTimeoutMs: ms(3000, 10, 120_000).describe('TCP and TLS together.').meta({ unit: 'ms' }),
    handshakeTimeoutMs: ms(3000, 10, 120_000)
      .describe('TLS on the listening side, and HELLO on both.')
      .meta({ unit: 'ms', advice: 'Longer lets silent strangers hold a place longer.' }),
    handshakesMax: z
      .int()
      .min(1)
      .default(128)
      .describe('Accepted connections whose handshake is not finished.'),
    connectionsMax: z
      .int()
      .min(1)
      .default(2048)
      .describe('Connections altogether: more that come in are closed at once, and no more are dialled.'),
    peersMax: z.int().min(1).default(1024).describe('Nodes and clients known at once.'),
    keepaliveIdleMs: ms(3000, 10, 3_600_000)
      .describe('Silence after which a connection is pinged; any byte counts as a sign of life.')
      .meta({ unit: 'ms' }),
    pingTimeoutMs: ms(2000, 10, 3_600_000)
      .describe('Silence after a ping that makes the connection dead.')
      .meta({ unit: 'ms', advice: 'With keepaliveIdleMs it is how long a dead peer goes unnoticed.' }),
    writeTimeoutMs: ms(10_000, 10, 3_600_000)
      .describe(
        'How long a peer may take and acknowledge nothing, while something waits for it, before its connection is closed.',
      )
      .meta({
        unit: 'ms',
        advice: 'A peer that takes a frame, at most 72 KiB, in that time makes progress.',
      }),
    idleCloseMs: ms(300_000, 0, 86_400_000)
      .describe(
        'How long a connection between nodes may be of no use to anybody before it is closed; the next message dials anew. 0: it stays.',
      )
      .meta({ unit: 'ms', advice: 'Pings of the transport itself are no use; those of ping() are.' }),
    renewAfterRecords: z
      .int()
      .min(16)
      .max(16_777_216)
      .default(8_388_608)
      .describe(
        'TLS records protected with one key in one direction, after which who has dialled makes another connection and then closes this one; after a quarter more (and 256), either side ends it (TRANSPORT_KEYS_EXHAUSTED).',
      )
      .meta({
        unit: 'records',
        advice: 'RFC 8446 (5.5) allows 2^24.5 for AES-GCM; a record holds up to 16 KiB.',
      }),
    backoffMinMs: ms(50, 1, 60_000)
      .describe('First bound of the jittered wait between dials.')
      .meta({ unit: 'ms' }),
    backoffMaxMs: ms(10_000, 1, 3_600_000).describe('Last bound.').meta({ unit: 'ms' }),
    dialAttemptsMax: z
      .int()
      .min(1)
      .default(4)
      .describe(
        'Dials that may fail in a row before everything that waits for the peer fails: a first one and 3 retries.',
      ),
    retriesMax: z
      .int()
      .min(0)
      .default(3)
      .describe('How often a message is sent again over new connections before it is given up.'),
    resumeTimeoutMs: ms(30_000, 10, 3_600_000)
      .describe('How long a session waits for its peer after the connection is lost.')
      .meta({ unit: 'ms' }),
    pastSessionsMax: z
      .int()
      .min(16)
      .max(1_048_576)
      .default(4096)
      .describe(
        'Sessions and boots of peers that are over and remembered, so that nobody can begin them again, and, for each type with a limit, peers that have left and what was left of theirs; the oldest is forgotten first.',
      )
      .meta({ advice: 'Each takes some 200 bytes, once it has ended.' }),
    pastSessionsMs: ms(3_600_000, 0, 7 * 86_400_000)
      .describe('How long they are remembered.')
      .meta({
        unit: 'ms',
        advice: "What was recorded could be said again after that, by who holds the peer's key.",
      }),
    certificateWarnMs: ms(7 * 86_400_000, 0, 365 * 86_400_000)
      .describe(
        'How long before its end the own certificate, one of its chain or an authority is reported, once an hour.',
      )
      .meta({ unit: 'ms' }),
    ackDelayMs: ms(20, 0, 1000)
      .describe('How long an acknowledgement may wait for something to travel with.')
      .meta({ unit: 'ms' }),
    drainTimeoutMs: ms(2000, 0, 600_000)
      .describe('What close() waits for handlers and acknowledgements.')
      .meta({ unit: 'ms' }),
  })
  .refine((config) => config.backoffMinMs <= config.backoffMaxMs, {
    path: ['backoffMinMs'],
    message: 'must not be over backoffMaxMs',
  })
  .refine((config) => config.messageBytesMax + 16 <= config.queueBytesMax, {
    path: ['queueBytesMax'],
    message: 'must hold at least one message of messageBytesMax',
  })
  .refine((config) => config.compressionBytesMin <= config.compressionBytesMax, {
    path: ['compressionBytesMin'],
    message: 'must not be over compressionBytesMax',
  })
  .refine((config) => config.streamBufferBytes <= config.streamsBufferBytes, {
    path: ['streamBufferBytes'],
    message: 'must not be over streamsBufferBytes',
  })
  .refine((config) => config.streamWindowBytes <= config.sessionWindowBytes, {
    path: ['streamWindowBytes'],
    message: 'must not be over sessionWindowBytes',
  });

export type TransportConfigInput = z.input<typeof transportConfigSchema>;
export type TransportConfig = z.output<typeof transportConfigSchema>;

/** What a node takes, as it tells its peers. */
export const limitsOf = (config: TransportConfig): PeerLimits => ({
  messageBytesMax: config.messageBytesMax,
  streamWindowBytes: config.streamWindowBytes,
  sessionWindowBytes: config.sessionWindowBytes,
  streamsMax: config.streamsMax,
  streamBufferBytes: config.streamBufferBytes,
  streamsBufferBytes: config.streamsBufferBytes,
});

/** What a node can do, as it tells its peers. */
export const capabilitiesOf = ({ compression, bulkConnection, bind }: TransportConfig): readonly string[] => [
  ...(compression === 'deflate' ? [deflateCapability] : []),
  // Who only dials is no node.
  ...(bulkConnection && bind !== null ? [bulkCapability] : []),
];
