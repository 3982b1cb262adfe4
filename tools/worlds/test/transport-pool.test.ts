/** How many connections a node of a cluster of 100 holds. */
import { World } from '@cluster/sim';
import { TransportEngine } from '@cluster/transport';
import { expect, test } from 'vitest';
import { secureStreams } from '../src/transport/secure-streams.ts';

const nodes = 100;
const port = 7947;
const typeId = 64;

/** A cluster whose nodes can reach each other; nothing has been said. */
function cluster(idleCloseMs: number): { world: World; engines: ReadonlyMap<string, TransportEngine> } {
  const world = new World({ seed: 100 });
  const names = Array.from({ length: nodes }, (_, i) => `n${i}`);
  const engines = new Map<string, TransportEngine>();
  for (const name of names)
    world.spawn(name, ({ clock, streams, host, seed, incarnation }) => {
      const engine = new TransportEngine(
        { nodeId: name, clusterName: 'sim', bind: { host, port }, idleCloseMs },
        {
          clock,
          streams: secureStreams(streams, 'sim', (at) => names.find((one) => world.addressOf(one) === at)),
          directory: { lookup: (id) => ({ host: world.addressOf(id), port }) },
          seed,
          bootId: `${name}-${incarnation}`,
        },
      );
      engine.handle(typeId, (bytes, _context, answer) => answer({ ok: true, value: bytes.slice() }));
      engine.start(() => undefined);
      engines.set(name, engine);
      return {};
    });
  return { world, engines };
}

const connections = (engine: TransportEngine): number =>
  engine.peers().filter(({ pool }) => pool === 'connected').length;

test('a cluster of 100 holds the connections that are in use, and none when nothing is', () => {
  const { world, engines } = cluster(30_000);
  const names = [...engines.keys()];
  let answered = 0;
  const ask = (from: string, to: string): void => {
    engines.get(from)?.call(to, typeId, new Uint8Array(16), {}, ({ ok }) => void (answered += ok ? 1 : 0));
  };
  // Every node has something to say to eight others, and three pairs go on.
  for (const [i, from] of names.entries())
    for (let turn = 1; turn <= 8; turn++) ask(from, names[(i + turn * 7) % nodes] ?? '');
  const goOn = (pair: number): void => {
    ask(names[2 * pair] ?? '', names[2 * pair + 1] ?? '');
    world.after(10_000, () => goOn(pair));
  };
  for (const pair of [0, 1, 2]) goOn(pair);
  world.runFor(5000);
  expect(answered).toBe(803);
  const held = (): number[] => names.map((name) => connections(engines.get(name) as TransportEngine));
  expect(Math.min(...held())).toBeGreaterThanOrEqual(16);
  world.runFor(60_000);
  expect(held().filter((count) => count > 0)).toEqual([1, 1, 1, 1, 1, 1]);
  expect(answered).toBe(821);
  // Sessions without a connection end in time, and with them the last that a node knows of the others.
  world.runFor(60_000);
  expect([...engines.values()].map((engine) => engine.peers().length).filter((count) => count > 1)).toEqual(
    [],
  );
});
