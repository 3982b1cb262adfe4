/**
 * Who could be elected without an entry that is committed. Nobody can, as long as the rules of votes and commits hold (thesis 3.6.1, 3.6.2,
 * 3.6.3). It is asked as soon as the entry is called committed: the unlucky election itself hardly ever comes.
 */
import type { DurableView, VotersView } from './views.ts';

/** A replica that runs. */
export interface Candidate {
  readonly node: string;
  readonly lastIndex: number;
  termAt(index: number): number | undefined;
  readonly firstIndex: number;
  /** By its log. */
  readonly voters: VotersView;
}

/** Voters count with what is on their disks: what is not there a crash takes away. */
export function electableWithout(
  { index, term }: { readonly index: number; readonly term: number },
  candidates: readonly Candidate[],
  durable: ReadonlyMap<string, DurableView>,
): string | null {
  for (const candidate of candidates) {
    const { node, voters, lastIndex } = candidate;
    if (candidate.firstIndex > index || candidate.termAt(index) === term) continue;
    const lastTerm = candidate.termAt(lastIndex) ?? 0;
    const grants = (voter: string): boolean => {
      if (voter === node) return true;
      const log = durable.get(voter);
      if (log === undefined) return false;
      const votersTerm = log.termAt(log.lastIndex) ?? 0;
      return lastTerm > votersTerm || (lastTerm === votersTerm && lastIndex >= log.lastIndex);
    };
    const wins = [voters.voters, voters.outgoing].every(
      (half) => half.length === 0 || half.filter(grants).length * 2 > half.length,
    );
    if (wins && voters.voters.includes(node)) return node;
  }
  return null;
}
