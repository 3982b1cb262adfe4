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
  /** How far a clock's rate is off, at the most; keep it within the margin that the protocol assumes. Default 0.04. */
  readonly driftMax?: number;
  /** How often each kind is chosen, relative to the others. 0 leaves it out. */
  readonly weights?: Partial<Record<NemesisFault, number>>;
}

export type NemesisFault =
  | 'crash'
  | 'crashAtDisk'
  /** The process is killed while it writes; the next one loses power while it recovers, or soon after. */
  | 'crashTwice'
  | 'blackout'
  /** The machine comes back with an empty disk. */
  | 'wipe'
  | 'pause'
  /** What a node sends and receives waits, again and again, as in Lifeguard's experiments. */
  | 'block'
  | 'slow'
  | 'starve'
  | 'drift'
  | 'partition'
  | 'isolate'
  /** Two sides with some nodes between them that reach both. */
  | 'bridge'
  | 'deafen'
  | 'cut'
  | 'network'
  /** One link is thin, slow or lossy, in one direction. */
  | 'link'
  | 'rot'
  | 'badWrite'
  | 'diskFull'
  | 'diskFailing';

const usualWeights: Readonly<Record<NemesisFault, number>> = {
  crash: 4,
  crashAtDisk: 4,
  crashTwice: 1,
  blackout: 0.5,
  pause: 2,
  slow: 1,
  starve: 1,
  drift: 1,
  partition: 3,
  isolate: 2,
  bridge: 1,
  deafen: 2,
  cut: 2,
  network: 3,
  link: 1,
  // Off unless asked for: it lasts long, and is for failure detectors.
  block: 0,
  // Off unless asked for: a node whose disk fails, lies or is lost is entitled to stop for good.
  wipe: 0,
  rot: 0,
  badWrite: 0,
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
    const faults = draw(prng, options, choose(prng, weights), downAt(script, atMs));
    script.push(...faults.map(([at, fault]) => ({ ...fault, atMs: atMs + at * (endMs - atMs) })));
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
    if (fault.type === 'crash' || fault.type === 'crashAtDisk' || fault.type === 'wipe') down.add(fault.node);
    if (fault.type === 'restart') down.delete(fault.node);
  }
  return down;
}

/** When within its duration (0 to 1), and what. */
type Timed = readonly [at: number, fault: Fault];

/** What a fault of this kind consists of, from its beginning to its end. */
function draw(
  prng: Prng,
  { nodes, downMax = nodes.length - 1, driftMax = 0.04 }: NemesisOptions,
  kind: NemesisFault,
  down: ReadonlySet<string>,
): readonly Timed[] {
  const node = prng.pick(nodes) ?? '';
  const others = nodes.filter((name) => name !== node);
  const other = prng.pick(others) ?? node;
  const restart: Fault = { type: 'restart', node };
  const keepsMemory = prng.chance(0.3);
  const operations = prng.below(20);
  const isCrash = kind === 'crash' || kind === 'crashAtDisk' || kind === 'crashTwice' || kind === 'wipe';
  if (isCrash && down.size >= downMax) return [];
  switch (kind) {
    case 'crash':
      return [
        [0, { type: 'crash', node, keepsMemory }],
        [1, restart],
      ];
    case 'crashAtDisk':
      return [
        [0, { type: 'crashAtDisk', node, operations, keepsMemory }],
        [1, restart],
      ];
    case 'crashTwice':
      return [
        [0, { type: 'crashAtDisk', node, operations, keepsMemory: true }],
        // In case the disk had nothing to do.
        [0.5, { type: 'crash', node, keepsMemory: true }],
        [0.5, restart],
        [0.5, { type: 'crashAtDisk', node, operations: prng.below(12) }],
        [1, restart],
      ];
    case 'blackout':
      // Back one after the other.
      return nodes.flatMap((name): Timed[] => [
        [0, { type: 'crash', node: name }],
        [prng.float(), { type: 'restart', node: name }],
      ]);
    case 'pause':
      return [
        [0, { type: 'pause', node }],
        [1, { type: 'resume', node }],
      ];
    case 'block': {
      const times = 1 + prng.below(4);
      return Array.from({ length: times }, (_, i): Timed[] => [
        [i / times, { type: 'block', node, blocked: true }],
        [(i + 0.5 + 0.45 * prng.float()) / times, { type: 'block', node, blocked: false }],
      ]).flat();
    }
    case 'slow':
      return [
        [0, { type: 'slow', node, meanMs: 1 + 10 * prng.float() }],
        [1, { type: 'slow', node, meanMs: 0 }],
      ];
    case 'starve':
      return [
        [0, { type: 'starve', node, runMs: 5 + 50 * prng.float(), stallMs: 20 + 400 * prng.float() }],
        [1, { type: 'starve', node, runMs: 0, stallMs: 0 }],
      ];
    case 'drift':
      // Fast, then slow: what was armed at one rate comes due at another.
      return [
        [0, { type: 'drift', node, rate: 1 + driftMax * prng.float() }],
        [0.5, { type: 'drift', node, rate: 1 - driftMax * prng.float() }],
        [1, { type: 'drift', node, rate: 1 }],
      ];
    case 'wipe':
      return [
        [0, { type: 'wipe', node }],
        [1, restart],
      ];
    case 'rot':
      return [[0, { type: 'rot', node, bits: prng.between(1, 4) }]];
    case 'badWrite':
      return [[0, { type: 'badWrite', node, fate: prng.chance(0.5) ? 'lost' : 'misdirected' }]];
    case 'bridge': {
      const shuffled = prng.shuffle([...nodes]);
      const between = prng.between(1, Math.max(1, nodes.length - 2));
      const sides = shuffled.slice(between);
      const cut = prng.between(1, Math.max(1, sides.length - 1));
      return [
        [0, { type: 'partition', sides: [sides.slice(0, cut), sides.slice(cut)], isBridged: true }],
        [1, { type: 'heal' }],
      ];
    }
    case 'link': {
      const options = {
        ...(prng.chance(0.5) ? { bytesPerSecond: 2000 + 100_000 * prng.float() } : {}),
        ...(prng.chance(0.5) ? { lossRate: 0.6 * prng.float() } : {}),
        delayMeanMs: 1 + 30 * prng.float(),
        delayShape: prng.pick(['uniform', 'lognormal', 'pareto'] as const) ?? 'pareto',
      };
      return [
        [0, { type: 'link', from: node, to: other, options }],
        [1, { type: 'link', from: node, to: other, options: {} }],
      ];
    }
    case 'partition': {
      const shuffled = prng.shuffle([...nodes]);
      const cut = prng.between(1, Math.max(1, nodes.length - 1));
      return [
        [0, { type: 'partition', sides: [shuffled.slice(0, cut), shuffled.slice(cut)] }],
        [1, { type: 'heal' }],
      ];
    }
    case 'isolate':
      return [
        [0, { type: 'partition', sides: [[node], others] }],
        [1, { type: 'heal' }],
      ];
    case 'deafen': {
      // It is heard and does not hear, or the other way round.
      const hears = prng.chance(0.5);
      const links = others.map((name) => (hears ? { from: node, to: name } : { from: name, to: node }));
      return links.flatMap((link): Timed[] => [
        [0, { type: 'cut', ...link }],
        [1, { type: 'mend', ...link }],
      ]);
    }
    case 'cut':
      return [
        [0, { type: 'cut', from: node, to: other }],
        [1, { type: 'mend', from: node, to: other }],
      ];
    case 'network': {
      const options = {
        lossRate: prng.chance(0.6) ? 0.3 * prng.float() : 0,
        duplicateRate: prng.chance(0.6) ? 0.3 * prng.float() : 0,
        reorderRate: prng.chance(0.6) ? 0.3 * prng.float() : 0,
        delayMeanMs: prng.chance(0.4) ? 1 + 40 * prng.float() : 1,
      };
      return [
        [0, { type: 'network', options }],
        [1, { type: 'network', options: {} }],
      ];
    }
    case 'diskFull':
      return [
        [0, { type: 'diskFull', node, full: true }],
        [1, { type: 'diskFull', node, full: false }],
      ];
    case 'diskFailing':
      return [
        [0, { type: 'diskFailing', node, rate: 0.3 }],
        [1, { type: 'diskFailing', node, rate: 0 }],
      ];
    default:
      return unreachable(kind);
  }
}
