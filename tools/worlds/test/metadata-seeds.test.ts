import { metadataWorld } from '../src/index.ts';
import { describeSeeds } from './seeds.ts';

describeSeeds(metadataWorld, 1, 25);
