import { quorumWorld } from '../src/index.ts';
import { describeSeeds } from './seeds.ts';

describeSeeds(quorumWorld, 1, 100);
