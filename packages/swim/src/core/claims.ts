/** What the records of a push/pull claim. */
import type { Alive, Claim, PeerRecord } from './messages.ts';

// Most records are the same for everybody who reads them, and so is what they claim: it is gossiped, and encoded once.
const aliveClaims = new WeakMap<PeerRecord, Alive>();

/**
 * What a peer's record claims. Its dead are only suspects here: the peer may have been wrong or cut off, and the accused gets the
 * chance to refute.
 *
 * Deviation: memberlist accuses in the reader's own name. After a partition many read the same list at once, would count as as many
 * independent accusers, and the suspicion of everybody on it would be over before the refutations are about. Nobody here has probed
 * it, so the accusation is in the name of the accused: however often it is told, it counts once.
 */
export function claimOf(record: PeerRecord): Claim {
  const { name: node, incarnation, state } = record;
  switch (state) {
    case 'alive': {
      let claim = aliveClaims.get(record);
      if (claim === undefined) {
        const { address, meta, vsn } = record;
        claim = { type: 'alive', incarnation, node, address, meta, vsn };
        aliveClaims.set(record, claim);
      }
      return claim;
    }
    case 'left':
      return { type: 'dead', incarnation, node, from: node };
    case 'suspect':
    case 'dead':
      return { type: 'suspect', incarnation, node, from: node };
  }
}
