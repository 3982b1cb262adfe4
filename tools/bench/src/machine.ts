import { availableParallelism, cpus, loadavg } from 'node:os';

/** Where figures were taken; a load near or above the number of cores says that others were at work too. */
export const machine = (): Readonly<Record<string, unknown>> => ({
  node: process.versions.node,
  platform: `${process.platform} ${process.arch}`,
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: availableParallelism(),
  loadAverage: Number((loadavg()[0] ?? 0).toFixed(2)),
});
