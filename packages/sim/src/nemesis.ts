/**
 * Writes a random script of faults: enough of them to hurt, with pauses in which work gets done, and calm at the end so that
 * what must finally happen can be demanded.
 */
import { type Prng, unreachable } from '@cluster/core';
import type { Fault, ScriptedFault } from './faults.ts';

export interface NemesisOptions {
  readonly nodes: readonly string[];
  /** The script ends with calm at this time. */
  readonly durationMs: number;
  /** Mean time between the beginnings of two faults. Default: 12 of them in the duration. */
  readonly everyMs?: number;
  /** Longest a fault lasts. Default: a quarter of the duration. */
  readonly lastsMaxMs?: number;
  /** Nodes down at the same time by separate crashes, at the most; a blackout takes all. Default: all but one. */
  readonly downMax?: number;
  /** How often each kind is chosen, relative to the others. 0 leaves it out. */
  readonly weights?: Partial<Record<NemesisFault, number>>;
}

export type NemesisFault =
  | 'crash'
  | 'crashAtDisk'
  | 'blackout'
  | 'pause'
  | 'slow'
  | 'partition'
  | 'isolate'
  | 'deafen'
  | 'cut'
  | 'network'
  | 'diskFull'
  | 'diskFailing';

const usualWeights: Readonly<Record<NemesisFault, number>> = {
  crash: 4,
  crashAtDisk: 4,
  blackout: 0.5,
  pause: 2,
  slow: 1,
  partition: 3,
  isolate: 2,
  deafen: 2,
  cut: 2,
  network: 3,
  // Off unless asked for: a node whose disk fails is entitled to stop for good.
  diskFull: 0,
  diskFailing: 0,
};

export function nemesis(prng: Prng, options: NemesisOptions): readonly ScriptedFault[] {
  const { durationMs } = options;
  const everyMs = options.everyMs ?? durationMs / 12;
  const lastsMaxMs = options.lastsMaxMs ?? durationMs / 4;
  const weights = { ...usualWeights, ...options.weights };
  const script: ScriptedFault[] = [];
  for (let atMs = prng.exponential(everyMs); atMs < durationMs; atMs += prng.exponential(everyMs)) {
    const lastsMs = (0.05 + 0.95 * prng.float()) * lastsMaxMs;
    const endMs = Math.min(atMs + lastsMs, durationMs);
    const [begin, end] = draw(prng, options, choose(prng, weights), downAt(script, atMs));
    script.push(...begin.map((fault) => ({ ...fault, atMs })));
    // A blackout's nodes come back one after the other.
    script.push(
      ...end.map((fault) => ({
        ...fault,
        atMs: atMs + (endMs - atMs) * (end.length > 1 ? prng.float() : 1),
      })),
    );
  }
  script.sort((a, b) => a.atMs - b.atMs);
  return [...script, { type: 'calm', atMs: durationMs }];
}

function choose(prng: Prng, weights: Readonly<Record<NemesisFault, number>>): NemesisFault {
  const kinds = Object.entries(weights) as [NemesisFault, number][];
  let at = prng.float() * kinds.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [kind, weight] of kinds) {
    at -= weight;
    if (at < 0) return kind;
  }
  return 'partition';
}

/** Nodes that the script has crashed by then and not yet restarted. */
function downAt(script: readonly ScriptedFault[], atMs: number): ReadonlySet<string> {
  const down = new Set<string>();
  for (const fault of script.toSorted((a, b) => a.atMs - b.atMs)) {
    if (fault.atMs > atMs) break;
    if (fault.type === 'crash' || fault.type === 'crashAtDisk') down.add(fault.node);
    if (fault.type === 'restart') down.delete(fault.node);
  }
  return down;
}

/** The faults that begin it and those that end it. */
function draw(
  prng: Prng,
  { nodes, downMax = nodes.length - 1 }: NemesisOptions,
  kind: NemesisFault,
  down: ReadonlySet<string>,
): readonly [begin: readonly Fault[], end: readonly Fault[]] {
  const node = prng.pick(nodes) ?? '';
  const others = nodes.filter((name) => name !== node);
  const other = prng.pick(others) ?? node;
  const restart: readonly Fault[] = [{ type: 'restart', node }];
  switch (kind) {
    case 'crash':
      if (down.size >= downMax) return [[], []];
      return [[{ type: 'crash', node, keepsMemory: prng.chance(0.25) }], restart];
    case 'crashAtDisk':
      if (down.size >= downMax) return [[], []];
      return [[{ type: 'crashAtDisk', node, operations: prng.below(20) }], restart];
    case 'blackout':
      return [
        nodes.map((name) => ({ type: 'crash', node: name }) as const),
        nodes.map((name) => ({ type: 'restart', node: name }) as const),
      ];
    case 'pause':
      return [[{ type: 'pause', node }], [{ type: 'resume', node }]];
    case 'slow':
      return [[{ type: 'slow', node, meanMs: 1 + 10 * prng.float() }], [{ type: 'slow', node, meanMs: 0 }]];
    case 'partition': {
      const shuffled = prng.shuffle([...nodes]);
      const cut = prng.between(1, Math.max(1, nodes.length - 1));
      return [
        [{ type: 'partition', sides: [shuffled.slice(0, cut), shuffled.slice(cut)] }],
        [{ type: 'heal' }],
      ];
    }
    case 'isolate':
      return [[{ type: 'partition', sides: [[node], others] }], [{ type: 'heal' }]];
    case 'deafen': {
      // It is heard and does not hear, or the other way round.
      const hears = prng.chance(0.5);
      const links = others.map((name) => (hears ? { from: node, to: name } : { from: name, to: node }));
      return [
        links.map((link) => ({ type: 'cut', ...link }) as const),
        links.map((link) => ({ type: 'mend', ...link }) as const),
      ];
    }
    case 'cut':
      return [[{ type: 'cut', from: node, to: other }], [{ type: 'mend', from: node, to: other }]];
    case 'network': {
      const options = {
        lossRate: prng.chance(0.6) ? 0.3 * prng.float() : 0,
        duplicateRate: prng.chance(0.6) ? 0.3 * prng.float() : 0,
        reorderRate: prng.chance(0.6) ? 0.3 * prng.float() : 0,
        delayMeanMs: prng.chance(0.4) ? 1 + 40 * prng.float() : 1,
      };
      return [[{ type: 'network', options }], [{ type: 'network', options: {} }]];
    }
    case 'diskFull':
      return [[{ type: 'diskFull', node, full: true }], [{ type: 'diskFull', node, full: false }]];
    case 'diskFailing':
      return [[{ type: 'diskFailing', node, rate: 0.3 }], [{ type: 'diskFailing', node, rate: 0 }]];
    default:
      return unreachable(kind);
  }
}
