/** The configuration of a member of a datacenter: that of its two pools, and what joins them. */
import { parseConfig } from '@cluster/core';
import * as z from 'zod';
import type { SwimConfigInput } from '../config.ts';
import { datacenterTag, wanName, wanTag } from './flood-join.ts';

const shape = z.object({
  name: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,63}$/, 'must be 1 to 63 letters, digits, dashes or underscores')
    .describe('Name of this member in its datacenter; between datacenters it is name.datacenter.'),
  datacenter: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,63}$/, 'must be 1 to 63 letters, digits, dashes or underscores')
    .describe('Name of its datacenter.'),
  floodPeriodMs: z
    .number()
    .min(10)
    .max(3_600_000)
    .default(10_000)
    .describe('Members of the datacenter that are missing between datacenters are joined so often.')
    .meta({ unit: 'ms' }),
});

type Pool = Omit<SwimConfigInput, 'name'>;

export type DatacenterConfigInput = z.input<typeof shape> & {
  /** The pool of the datacenter. */
  readonly lan?: Pool;
  /** The pool between datacenters; `preset` is `wan` if not given. */
  readonly wan?: Pool;
};

export interface DatacenterConfig extends z.output<typeof shape> {
  readonly lan: SwimConfigInput;
  readonly wan: SwimConfigInput;
}

/** @throws ClusterError `SWIM_DATACENTER_CONFIG_INVALID`; those of the pools are checked when they start. */
export function parseDatacenterConfig({
  lan = {},
  wan = {},
  ...own
}: DatacenterConfigInput): DatacenterConfig {
  const config = parseConfig(shape, own, 'SWIM_DATACENTER_CONFIG_INVALID');
  const { name, datacenter } = config;
  return {
    ...config,
    // Labels keep the two pools, and those of two datacenters, from running into one by a wrong address.
    lan: { label: `lan.${datacenter}`, ...lan, name, tags: { ...lan.tags, [datacenterTag]: datacenter } },
    wan: {
      preset: 'wan',
      label: 'wan',
      ...wan,
      name: wanName(name, datacenter),
      tags: { ...wan.tags, [datacenterTag]: datacenter },
    },
  };
}

/** The pool of the datacenter, whose members say where they listen for the other one. */
export const withWanAddress = (lan: SwimConfigInput, address: string): SwimConfigInput => ({
  ...lan,
  tags: { ...lan.tags, [wanTag]: address },
});
