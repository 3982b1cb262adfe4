import * as z from 'zod';
import { parseConfig } from '@cluster/core';

/** The strategies a balancer can route by; see `core/pickers` for one file on each. */
export const strategyNames = [
  'round-robin',
  'least-connections',
  'weighted-round-robin',
  'locality-aware',
  'adaptive',
] as const;
export type StrategyName = (typeof strategyNames)[number];

const exponent = (value: number, of: string) =>
  z
    .number()
    .min(0)
    .max(10)
    .default(value)
    .meta({
      description: `Exponent of ${of} in the adaptive score.`,
      advice: '0 leaves it out of the decision.',
    });

const weights = z.strictObject({
  connections: exponent(0.3, 'the queue estimate'),
  latency: exponent(0.3, 'the latency'),
  utilization: exponent(0.2, 'the utilisation'),
  distance: exponent(0.2, 'the distance'),
});

const ejection = z
  .strictObject({
    consecutiveErrors: z.int().min(1).max(1000).default(5).meta({
      description: 'Errors in a row that eject an endpoint.',
      advice: 'Raise it where single callers send bad queries.',
    }),
    baseMs: z.number().min(1).max(3_600_000).default(5000).meta({
      unit: 'ms',
      description: 'The n-th ejection in a row lasts n times this.',
      advice: '30 s where load is light and errors are dear.',
    }),
    maxMs: z.number().min(1).max(3_600_000).default(30_000).meta({
      unit: 'ms',
      description: 'No ejection lasts longer.',
      advice: 'The most a recovered node waits for traffic.',
    }),
    forgetMs: z.number().min(1).max(86_400_000).default(30_000).meta({
      unit: 'ms',
      description: 'Each such span in good health takes one ejection off the record.',
      advice: 'Raise it for nodes that flap slowly.',
    }),
    ejectedRatioMax: z.number().min(0).max(1).default(0.5).meta({
      description:
        'The share of endpoints that may be ejected at once; one always may, and one always stays.',
      advice: 'Lower it in large pools.',
    }),
    utilizationMax: z.number().min(0).default(0.9).meta({
      description: 'No ejection when the rest would be busier than this, by what they last reported.',
      advice: 'Above 0.9 queues grow without bound.',
    }),
  })
  .refine((value) => value.maxMs >= value.baseMs, { path: ['maxMs'], message: 'must be at least baseMs' });

export const balancerConfigSchema = z.strictObject({
  nodeId: z.string().min(1).optional().meta({
    description: 'The router itself: its name in traces.',
    advice: 'Set it where traces of several nodes meet.',
  }),
  datacenter: z
    .string()
    .optional()
    .meta({ description: 'Where the router is.', advice: 'Without it every endpoint counts as near.' }),
  rack: z.string().optional().meta({
    description: 'Where the router is within its datacenter.',
    advice: 'Set it where traffic between racks is scarce.',
  }),
  strategy: z.enum(strategyNames).default('adaptive').meta({
    description: 'How an endpoint is chosen.',
    advice: 'adaptive is within a quarter of the best rival everywhere and breaks nowhere.',
  }),
  routers: z
    .union([z.literal('endpoints'), z.int().min(1).max(10_000)])
    .default('endpoints')
    .meta({
      description: 'How many routers share the endpoints: own requests in flight count this many times.',
      advice: 'endpoints = every node routes; give the number of clients where only they do.',
    }),
  weights: weights.prefault({}),
  queueExponent: z.number().min(1).max(10).default(3).meta({
    description: 'Makes a long queue repel more than in proportion (as C3 has it).',
    advice: 'Leave it.',
  }),
  queueAlpha: z.number().gt(0).max(1).default(0.3).meta({
    description: 'Share of the newest report in the averaged queue and utilisation.',
    advice: 'Lower it where reports jump.',
  }),
  latencyAlpha: z.number().gt(0).max(1).default(0.1).meta({
    description: 'Share of the newest sample in the averaged latency.',
    advice: 'Raise it to leave a slowing node sooner.',
  }),
  loadMemoryMs: z.number().min(1).max(3_600_000).default(1000).meta({
    unit: 'ms',
    description: 'A reported queue or utilisation fades with this time constant.',
    advice: 'At least a few report intervals.',
  }),
  latencyMemoryMs: z.number().min(1).max(3_600_000).default(10_000).meta({
    unit: 'ms',
    description: 'A latency that nothing refreshes fades with this time constant.',
    advice: 'Raise it to retry slow nodes more rarely.',
  }),
  errorLatencyMs: z.number().min(0).max(3_600_000).default(1000).meta({
    unit: 'ms',
    description: 'An error counts as an answer at least this slow.',
    advice: 'Several times the slowest good answer.',
  }),
  otherRackCost: z.number().min(1).max(1000).default(1).meta({
    description: 'Times dearer a node in another rack is, at the default weight of distance.',
    advice: 'Above 1 where links between racks are scarce.',
  }),
  otherDatacenterCost: z.number().min(1).max(1000).default(3).meta({
    description: 'Times dearer a node in another datacenter is, at the default weight of distance.',
    advice: 'Raise it to pay more queueing before leaving the datacenter.',
  }),
  spillUtilization: z.number().gt(0).max(1).default(0.85).meta({
    description: 'locality-aware: an endpoint this busy is passed over for a more distant one.',
    advice: 'Lower it to keep more headroom at home.',
  }),
  spillInFlight: z.int().min(1).max(1_000_000).default(64).meta({
    description:
      'locality-aware: own requests in flight, by unit of weight, at which an endpoint is passed over.',
    advice: 'Matters where endpoints report no utilisation.',
  }),
  ejection: ejection.prefault({}),
  routeTtlMs: z.number().min(1).max(3_600_000).default(30_000).meta({
    unit: 'ms',
    description: 'A route nobody reported is closed after this time.',
    advice: 'Longer than the slowest query.',
  }),
  routesMax: z.int().min(1).max(1_000_000).default(65_536).meta({
    description: 'Open routes; at the bound the oldest is closed early and counted.',
    advice: 'Above the queries in flight at peak.',
  }),
  endpointsMax: z.int().min(1).max(10_000).default(1024).meta({
    description: 'Endpoints, and node labels in metrics; more are refused.',
    advice: 'A pick looks at each of them.',
  }),
});

export type BalancerConfigInput = z.input<typeof balancerConfigSchema>;
export type BalancerConfig = z.output<typeof balancerConfigSchema>;

/** @throws ClusterError `BALANCER_CONFIG_INVALID` naming every wrong key. */
export const parseBalancerConfig = (input: BalancerConfigInput = {}): BalancerConfig =>
  parseConfig(balancerConfigSchema, input, 'BALANCER_CONFIG_INVALID');
