import { parseConfig } from '@cluster/core';
import * as z from 'zod';

const ms = (value: number, description: string, advice: string, min = 1) =>
  z.number().min(min).max(86_400_000).default(value).meta({ unit: 'ms', description, advice });
const ratio = (value: number, description: string, advice: string) =>
  z.number().min(0).max(1).default(value).meta({ description, advice });
const count = (value: number, max: number, description: string, advice: string) =>
  z.int().min(1).max(max).default(value).meta({ description, advice });

export const healthConfigSchema = z
  .strictObject({
    nodeId: z.string().min(1).optional().meta({
      description: 'Whose paths these are: its name in traces.',
      advice: 'Set it where traces of several nodes meet.',
    }),
    intervalMs: ms(
      5000,
      'From one probe of a path to the next.',
      'Shorter notices sooner and costs one message per path each time.',
    ),
    jitter: z.number().min(0).max(0.5).default(0.1).meta({
      description:
        'Each interval is longer or shorter by up to this share, so that nodes do not probe in step.',
      advice: 'Leave it.',
    }),
    timeoutMs: ms(
      2000,
      'A probe not answered by then is lost.',
      'Several times the slowest good round trip.',
    ),
    windowSize: count(
      100,
      10_000,
      'Probes the figures are taken over.',
      'See PathQuality.p99Ms for what 100 can tell.',
    ),
    fall: count(
      3,
      1000,
      'Probes lost in a row that take a path down.',
      'With intervalMs, the time to notice.',
    ),
    rise: count(2, 1000, 'Probes answered in a row that bring a path back.', 'Raise it where paths flap.'),
    degradedLatencyMs: ms(
      250,
      'A smoothed round trip above this degrades a path.',
      'What your queries can bear.',
    ),
    degradedLossRatio: ratio(
      0.15,
      'A smoothed loss above this degrades a path.',
      'One lost probe counts 0.1, and fades.',
    ),
    recoverRatio: ratio(
      0.8,
      'A degraded path is good again below this share of both thresholds.',
      'Lower it where paths waver at a threshold.',
    ),
    smoothing: z.number().gt(0).max(1).default(0.1).meta({
      description: 'Share of the newest probe in the smoothed figures.',
      advice: 'Raise it to react sooner.',
    }),
    pathsMax: count(
      1024,
      100_000,
      'Paths watched, and peer labels in metrics; more are refused and counted.',
      'Each costs its window.',
    ),
  })
  .refine((value) => value.timeoutMs < value.intervalMs * (1 - value.jitter), {
    path: ['timeoutMs'],
    message: 'must be below intervalMs × (1 − jitter), so that one probe has ended before the next',
  });

export type HealthConfigInput = z.input<typeof healthConfigSchema>;
export type HealthConfig = z.output<typeof healthConfigSchema>;

/** @throws ClusterError `HEALTH_CONFIG_INVALID` naming every wrong key. */
export const parseHealthConfig = (input: HealthConfigInput = {}): HealthConfig =>
  parseConfig(healthConfigSchema, input, 'HEALTH_CONFIG_INVALID');
