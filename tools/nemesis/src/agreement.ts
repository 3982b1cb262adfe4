/** Whether all replicas hold the same, once they have applied the same log. */
interface Replica {
  /** What it last said by itself. */
  readonly status: { readonly appliedIndex: number } | null;
  readonly digest: { readonly appliedIndex: number; readonly digest: string } | null;
  /** Asked, and not answered yet. */
  asked: boolean;
}

/**
 * Null while it is not known; then asks those whose digest is missing or old. A digest is of everything that a replica holds and takes
 * longer than a look here: one that is asked again before it has answered has no time left for its peers, and never becomes level.
 */
export function agreement<R extends Replica>(
  replicas: readonly R[],
  ask: (replica: R) => void,
): boolean | null {
  const indexes = new Set(replicas.map(({ digest }) => digest?.appliedIndex));
  if (indexes.size === 1 && !indexes.has(undefined))
    return new Set(replicas.map(({ digest }) => digest?.digest)).size === 1;
  for (const replica of replicas) {
    const { status, digest, asked } = replica;
    if (asked || (digest !== null && digest.appliedIndex === status?.appliedIndex)) continue;
    replica.asked = true;
    ask(replica);
  }
  return null;
}
