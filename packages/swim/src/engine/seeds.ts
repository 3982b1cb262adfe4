/** Seeds as people give them, turned into addresses. */
import { type Address, type ClusterError, type Task, wait } from '@cluster/core';
import type { SeedFailure } from '../core/effects.ts';
import { seedFailureCode } from '../errors.ts';
import type { SwimPorts } from '../ports.ts';
import { hostBytes } from '../wire.ts';
import type { Gate } from './gate.ts';

export interface ResolvedSeeds {
  readonly addresses: readonly Address[];
  readonly failures: readonly SeedFailure[];
}

/** Of a name all addresses; what cannot be resolved is a failure of that seed alone. */
export function* resolveSeeds(
  seeds: readonly Address[],
  resolver: SwimPorts['resolver'],
  gate: Gate,
): Task<ResolvedSeeds> {
  const addresses: Address[] = [];
  const failures: SeedFailure[] = [];
  for (const seed of seeds) {
    try {
      for (const host of yield* resolve(seed.host, resolver)) {
        const address = { host, port: seed.port };
        if (gate.allows(address)) addresses.push(address);
        else
          failures.push({
            seed: address,
            code: seedFailureCode.network,
            reason: 'it is outside allowedNetworks',
          });
      }
    } catch (error) {
      failures.push({ seed, code: (error as ClusterError).code, reason: (error as ClusterError).message });
    }
  }
  return { addresses, failures };
}

function* resolve(host: string, resolver: SwimPorts['resolver']): Task<readonly string[]> {
  if (resolver === undefined || hostBytes(host) !== undefined) return [host];
  return yield* wait<readonly string[]>((done) => resolver.resolve(host, done));
}
