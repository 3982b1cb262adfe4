/**
 * Which replicas go without pre-vote, and which without check-quorum. Both keep a group calm (thesis 9.6, 6.2): nothing that is safe may
 * rest on them, nor on all replicas being configured alike, as they are not while an operator changes it on one after the other.
 */
import { Prng } from '@cluster/core';

export interface Protections {
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
}

const preVoteOffRate = 0.2;
const checkQuorumOffRate = 0.2;
/** Of the replicas, where some go without. */
const shareOff = 0.5;

/** @param leaseReads rest on check-quorum, so it is on everywhere then. */
export function drawProtections(
  seed: number,
  nodes: readonly string[],
  leaseReads: boolean,
): ReadonlyMap<string, Protections> {
  const prng = Prng.fromSeed(seed, 'protections');
  const somePreVoteOff = prng.chance(preVoteOffRate);
  const someCheckQuorumOff = prng.chance(checkQuorumOffRate) && !leaseReads;
  return new Map(
    nodes.map((node) => {
      const preVote = !(prng.chance(shareOff) && somePreVoteOff);
      const checkQuorum = !(prng.chance(shareOff) && someCheckQuorumOff);
      return [node, { preVote, checkQuorum }];
    }),
  );
}
