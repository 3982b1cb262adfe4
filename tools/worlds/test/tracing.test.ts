import type { World } from '@cluster/sim';
import { expect, test } from 'vitest';
import {
  groupsWorld,
  metadataWorld,
  quorumWorld,
  raftWorld,
  swimWorld,
  transportWorld,
  type WorldKind,
} from '../src/index.ts';

function digestOf(kind: WorldKind, seed: number, trace: boolean): unknown {
  let world: World | undefined;
  const result = kind.run(seed, { trace, started: (made) => (world = made) });
  return { ...result, digest: world?.digest };
}

// Steps that are traced are xstate's own, and those that are not are planned: over whole runs of every machine there must be no difference.
test.each([raftWorld, groupsWorld, swimWorld, metadataWorld, quorumWorld, transportWorld])(
  '$name: what happens is the same, traced or not',
  (kind) => {
    expect(digestOf(kind, 1, true)).toEqual(digestOf(kind, 1, false));
  },
  180_000,
);
