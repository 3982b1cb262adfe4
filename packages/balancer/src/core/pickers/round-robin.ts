/**
 * Each in turn. The turn goes to the candidate that has waited longest rather than to a cursor, so that a change of the
 * candidates between two picks (a restriction, an exclusion, an ejection) neither skips nor favours anybody.
 */
import { lowest, type Picker } from '../picker.ts';
import type { Endpoint } from '../endpoint.ts';

export const roundRobin: Picker = {
  name: 'round-robin',
  pick(candidates, _request, view) {
    const index = lowest(candidates, view, (endpoint) => endpoint.turn);
    (candidates[index] as Endpoint).turn = view.nextTurn();
    return index;
  },
};
