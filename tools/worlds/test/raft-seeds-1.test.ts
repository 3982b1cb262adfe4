import { raftWorld } from '../src/index.ts';
import { describeSeeds } from './seeds.ts';

describeSeeds(raftWorld, 1, 250);
