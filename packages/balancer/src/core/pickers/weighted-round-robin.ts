/**
 * Smooth weighted round-robin, as NGINX has it: every candidate earns its weight, the richest is chosen and pays what all
 * earned. Over a round each gets exactly its share, and turns are spread: weights 5, 1, 1 give a a b a c a a, not aaaaabc.
 */
import type { Endpoint } from '../endpoint.ts';
import { lowest, type Picker } from '../picker.ts';

export const weightedRoundRobin: Picker = {
  name: 'weighted-round-robin',
  pick(candidates, _request, view) {
    let earned = 0;
    for (const endpoint of candidates) {
      endpoint.credit += endpoint.weight;
      earned += endpoint.weight;
    }
    const index = lowest(candidates, view, ({ credit }) => -credit);
    (candidates[index] as Endpoint).credit -= earned;
    return index;
  },
};
