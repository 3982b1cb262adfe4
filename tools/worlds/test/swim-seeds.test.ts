import { swimWorld } from '../src/index.ts';
import { describeSeeds } from './seeds.ts';

describeSeeds(swimWorld, 1, 100);
