/** The manager's configuration. Every key has a default; `create()` without arguments is a working node on loopback. */
import { type Address, parseConfig } from '@cluster/core';
import * as z from 'zod';
import { managerError } from './errors.ts';

// An alias, not an interface: zod's meta takes what may be read by any key.
type Notes = { readonly description: string; readonly unit?: string; readonly advice?: string };
const meta = (description: string, more: Omit<Notes, 'description'> = {}): Notes => ({
  description,
  ...more,
});
const milliseconds = (low: number, high: number, fallback: number): z.ZodDefault<z.ZodNumber> =>
  z.number().min(low).max(high).default(fallback);
const label = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,128}$/, 'use 1 to 128 letters, digits, dots, underscores or hyphens');

/** `host:port` or `[v6]:port` as text, or the two as an object. */
const address = z.union([
  z
    .string()
    .refine((text) => splitAddress(text) !== null, 'write host:port, or [address]:port for IPv6')
    .transform((text) => splitAddress(text) as Address),
  z.strictObject({ host: z.string().min(1), port: z.number().int().min(0).max(65_535) }),
]);

/** Null for what is no address. */
export function splitAddress(text: string): Address | null {
  const match = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || port > 65_535 ? null : { host, port };
}

export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);

export const isWildcard = (host: string): boolean => host === '0.0.0.0' || host === '::';

const pem = z.string().min(1);
/** Checked by the package they belong to. */
const tuning = z.record(z.string(), z.unknown()).default({});
// Memberlist lets tags take 512 bytes in all; what remains beside our own is for the application.
const reservedTags = new Set(['ta', 'dc', 'rack', 'cap', 'v', 'boot']);

export const managerConfigSchema = z
  .strictObject({
    nodeId: label.optional().meta(
      meta('Name of this node, unique in the cluster for ever.', {
        advice: 'Default: the id in its certificate, else generated. Name it when it has a dataDir.',
      }),
    ),
    clusterName: label
      .default('cluster')
      .meta(meta('Name of the cluster; nodes of different names refuse one another.')),
    bind: address
      .default({ host: '127.0.0.1', port: 0 })
      .meta(
        meta('Gossip address, UDP and TCP; port 0 = a free one.', { advice: 'A seed needs a fixed port.' }),
      ),
    advertise: address
      .optional()
      .meta(meta('What other nodes dial instead of `bind`; required with a wildcard bind.')),
    transport: z
      .strictObject({
        bind: address
          .optional()
          .meta(meta("Address of the message transport; default: bind's host, a free port.")),
        advertise: address.optional().meta(meta('What others dial instead of it.')),
      })
      .default({})
      .meta(meta("Address of the message transport; default: bind's host, a free port.")),
    tls: z
      .strictObject({
        ca: z
          .union([pem, z.array(pem).min(1).readonly()])
          .meta(meta('Authorities that other nodes may be certified by.')),
        cert: pem.meta(meta('Certificate of this node.')),
        key: pem.meta(meta('Its private key.')),
      })
      .optional()
      .meta(
        meta('Authority, certificate and key: PEM text or paths of PEM files. Required beyond loopback.'),
      ),
    gossipKeys: z
      .array(z.base64())
      .max(16)
      .readonly()
      .optional()
      .meta(meta('Keys of 16, 24 or 32 bytes, base64; the first encrypts, all decrypt.')),
    dataDir: z
      .string()
      .min(1)
      .optional()
      .meta(meta('Folder of the durable log and identity; without it the log is lost with the process.')),
    voters: z
      .array(label)
      .max(31)
      .refine((ids) => new Set(ids).size === ids.length, 'name each voter once')
      .readonly()
      .optional()
      .meta(
        meta('Node ids that vote on the replicated log when it begins, the same list everywhere.', {
          advice:
            'Odd counts; 3 survive one failure, 5 two. Empty: a replica that waits for addNode(). Default: this node alone, until it joins others. Once the members have changed, the log says who they are.',
        }),
      ),
    peers: z
      .record(label, address)
      .default({})
      .meta(meta('Transport addresses known beforehand, by node id; gossip supplies the others.')),
    datacenter: z.string().max(64).default('').meta(meta('Datacentre of this node, for locality.')),
    rack: z.string().max(64).default('').meta(meta('Rack of this node, for locality.')),
    capacity: z.number().min(0.01).max(1000).default(1).meta(meta('Relative weight in routing.')),
    version: z.string().max(32).default('').meta(meta('Version of the application, shown to others.')),
    metadata: z
      .record(z.string().min(1).max(64), z.string().max(256))
      .refine(
        (tags) => !Object.keys(tags).some((key) => reservedTags.has(key)),
        'ta, dc, rack, cap, v and boot are taken',
      )
      .default({})
      .meta(meta('Free tags of this node, gossiped; about 300 bytes in all.')),
    strategy: z
      .enum(['round-robin', 'least-connections', 'weighted-round-robin', 'locality-aware', 'adaptive'])
      .default('adaptive')
      .meta(meta('How reads are routed.')),
    joinTimeoutMs: milliseconds(100, 600_000, 10_000).meta(
      meta('How long joinCluster tries.', { unit: 'ms' }),
    ),
    joinRetryMs: milliseconds(10, 60_000, 250).meta(
      meta('Pause between two rounds of seeds.', { unit: 'ms' }),
    ),
    leaveTimeoutMs: milliseconds(0, 60_000, 5_000).meta(
      meta('How long leave() waits for its word to spread.', { unit: 'ms' }),
    ),
    stopTimeoutMs: milliseconds(100, 60_000, 5_000).meta(
      meta('How long stop() waits for components to close before it lets them go.', { unit: 'ms' }),
    ),
    queryTimeoutMs: milliseconds(1, 3_600_000, 10_000).meta(
      meta('Default deadline of query, propose and read.', { unit: 'ms' }),
    ),
    rosterTimeoutMs: milliseconds(100, 3_600_000, 60_000).meta(
      meta('Default deadline of addNode and removeNode.', {
        unit: 'ms',
        advice: 'A node that is added first copies all there is.',
      }),
    ),
    attemptTimeoutMs: milliseconds(10, 600_000, 2_000).meta(
      meta('How long one node may take before a query is tried elsewhere.', {
        unit: 'ms',
        advice: 'Above the slowest expected query.',
      }),
    ),
    maxStalenessMs: milliseconds(0, 3_600_000, 10_000).meta(
      meta('How old the state may be that a stale read sees; 0 = any age.', {
        unit: 'ms',
        advice:
          'A replica without a leader, or behind in applying, for longer is left out; so is one that has just started, until it has caught up. With 0 reads go on without a majority.',
      }),
    ),
    retryRatio: z
      .number()
      .min(0)
      .max(1)
      .default(0.2)
      .meta(meta('Retries allowed per first try, over ten seconds.')),
    retriesPerSecond: z
      .number()
      .min(0)
      .max(10_000)
      .default(10)
      .meta(meta('Retries allowed besides.', { unit: '1/s' })),
    maxPendingQueries: z
      .number()
      .int()
      .min(1)
      .max(1_000_000)
      .default(4096)
      .meta(meta('Queries under way; more are refused.')),
    sessionOpens: z
      .strictObject({
        perSecond: z
          .number()
          .min(0.01)
          .max(10_000)
          .default(2)
          .meta(meta('Sessions one client may open at this node, sustained.', { unit: '1/s' })),
        burst: z.number().int().min(1).max(10_000).default(20).meta(meta('Sessions it may open at once.')),
        clientsMax: z
          .number()
          .int()
          .min(1)
          .max(1_000_000)
          .default(4096)
          .meta(
            meta(
              'Clients whose rate is remembered; beyond it the one that was quiet the longest is forgotten.',
              {
                advice: 'At least the number of client certificates in use.',
              },
            ),
          ),
      })
      .prefault({}),
    eventQueue: z
      .number()
      .int()
      .min(16)
      .max(1_000_000)
      .default(1024)
      .meta(meta('Events kept for a slow subscriber.')),
    trace: z
      .strictObject({
        steps: z
          .number()
          .int()
          .min(0)
          .max(1_000_000)
          .default(4096)
          .meta(
            meta('Steps of its cores a node remembers for dumpTrace(); 0 = none.', {
              advice: 'Costs about 12 MB and, under full load, a third more CPU per write.',
            }),
          ),
      })
      .default({ steps: 4096 }),
    swim: tuning.meta(meta('Settings of the membership, see its reference.')),
    quorum: z
      .record(z.string(), z.unknown())
      .optional()
      .meta(
        meta('Settings of quorum under lease-majority, see its reference; absent: none is kept.', {
          advice: 'The same on every node. Costs a second, small log, and an entry in it per node and beat.',
        }),
      ),
    raft: tuning.meta(meta('Settings of the replicated log, see its reference.')),
    messaging: tuning.meta(meta('Settings of the transport, see its reference.')),
    balancer: tuning.meta(meta('Settings of the balancer, see its reference.')),
    health: tuning.meta(meta('Settings of the path probes, see its reference.')),
  })
  .superRefine((config, context) => {
    const complain = (path: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [path], message });
    if (isWildcard(config.bind.host) && config.advertise === undefined) {
      complain('advertise', 'required with a wildcard bind: nobody can dial 0.0.0.0');
    }
    if (
      config.transport.bind &&
      isWildcard(config.transport.bind.host) &&
      !config.transport.advertise &&
      !config.advertise
    ) {
      complain('transport', 'advertise is required with a wildcard bind');
    }
    if (config.quorum !== undefined && config.voters === undefined) {
      complain('quorum', 'requires voters: a node that begins alone would hold quorum for itself');
    }
    if (config.attemptTimeoutMs > config.queryTimeoutMs) {
      complain('attemptTimeoutMs', 'must not exceed queryTimeoutMs');
    }
  });

export type ManagerConfig = z.output<typeof managerConfigSchema>;
export type ManagerConfigInput = z.input<typeof managerConfigSchema>;

/** @throws ClusterError `MANAGER_CONFIG_INVALID` naming every bad key. */
export const parseManagerConfig = (input: ManagerConfigInput): ManagerConfig =>
  parseConfig(managerConfigSchema, input, 'MANAGER_CONFIG_INVALID');

/** @throws ClusterError `MANAGER_CONFIG_INVALID` */
export function parseAddress(text: string): Address {
  const parsed = splitAddress(text);
  if (parsed !== null) return parsed;
  throw managerError('MANAGER_CONFIG_INVALID', `${JSON.stringify(text)} is no host:port.`);
}
