import { transportWorld } from '../src/index.ts';
import { describeSeeds } from './seeds.ts';

describeSeeds(transportWorld, 1, 50);
