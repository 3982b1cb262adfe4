/** The fewest own requests in flight by unit of weight. Counts only what this router sent: fresh, and blind to other routers. */
import { lowest, type Picker } from '../picker.ts';

export const leastConnections: Picker = {
  name: 'least-connections',
  pick: (candidates, _request, view) =>
    lowest(candidates, view, ({ inFlight, weight }) => (inFlight + 1) / weight),
};
