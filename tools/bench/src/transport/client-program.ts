/** The loading process. One contender a process. */
import type { Address } from '@cluster/core';
import { serveParent } from '../process/remote.ts';
import { contender } from './contenders/index.ts';
import type { Link, Place } from './contender.ts';
import { Driver, type Load, type LoadResult } from './load.ts';

const driver = new Driver();
const idle: Link[] = [];

serveParent({
  connect: async ({ place, server }: { place: Place; server: Address }): Promise<void> => {
    const chosen = await contender(process.argv[2] ?? '');
    driver.use(await chosen.connect(place, server, driver.onAnswer), chosen.copiedMax);
  },
  run: (load: Load): Promise<LoadResult> => driver.run(load),
  /** Connections that are opened and then left alone. */
  idle: async ({ places, server }: { places: readonly Place[]; server: Address }): Promise<void> => {
    const chosen = await contender(process.argv[2] ?? '');
    for (const place of places) idle.push(await chosen.connect(place, server, () => undefined));
  },
});
