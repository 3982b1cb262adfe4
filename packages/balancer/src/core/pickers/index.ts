import type { StrategyName } from '../../config.ts';
import type { Picker } from '../picker.ts';
import { adaptive } from './adaptive.ts';
import { leastConnections } from './least-connections.ts';
import { localityAware } from './locality-aware.ts';
import { roundRobin } from './round-robin.ts';
import { weightedRoundRobin } from './weighted-round-robin.ts';

export const pickers: Readonly<Record<StrategyName, Picker>> = {
  'round-robin': roundRobin,
  'least-connections': leastConnections,
  'weighted-round-robin': weightedRoundRobin,
  'locality-aware': localityAware,
  adaptive,
};
