import { describe, expect, it } from 'vitest';
import { type Booted, EngineWorld } from './engine-world.ts';

/** With 100 it takes twenty times as long, and holds as well. */
const size = 24;

interface Cluster {
  readonly world: EngineWorld;
  readonly nodes: readonly Booted[];
  /** Each asks each, as those do that measure all paths. */
  readonly pingAll: () => void;
  /** The most that any node has. */
  readonly connectionsMax: () => number;
}

function cluster(): Cluster {
  const world = new EngineWorld();
  const ids = Array.from({ length: size }, (_, i) => `n${i}`);
  const nodes = ids.map((id) => world.boot(id, { idleCloseMs: 10_000 }));
  const pingAll = (): void => {
    for (const { engine, identity } of nodes)
      for (const id of ids) if (id !== identity.id) engine.ping(id, 2000, () => undefined);
  };
  const connectionsMax = (): number =>
    Math.max(...nodes.map(({ metrics }) => metrics.value('connections_open')));
  return { world, nodes, pingAll, connectionsMax };
}

describe('a cluster', () => {
  it('in which each measures each holds one connection a pair, whoever dials at the same time; and none when all are idle', () => {
    const { world, nodes, pingAll, connectionsMax } = cluster();
    for (let i = 0; i < 2; i++) {
      pingAll();
      world.run(5000);
      expect(connectionsMax()).toBe(size - 1);
      expect(world.network.live).toBe((size * (size - 1)) / 2);
    }
    world.run(10_000 + 5000);
    expect(connectionsMax()).toBe(0);
    expect(world.network.live).toBe(0);
    expect(nodes.every(({ logged }) => logged.length === 0)).toBe(true);
  });
});
