// A decoder that never comes back from its third input.
import { runFuzz } from '@cluster/fuzz';

let inputs = 0;
const hanging = {
  name: 'hanging',
  make: () => ({
    feed: () => {
      inputs++;
      if (inputs === 3) for (;;) Math.imul(inputs, inputs);
      return 'taken' as const;
    },
  }),
};
runFuzz([hanging], { inputs: 10, seed: 7, inputMsMax: 200 });
