/** The HELLO of a node `x` to `b`, from a peer that speaks for itself. */
export function greeting(
  changes: { readonly limits?: Readonly<Record<string, number>>; readonly [key: string]: unknown } = {},
): Uint8Array {
  const limits = { messageBytesMax: 65_536, streamWindowBytes: 65_536, sessionWindowBytes: 65_536 };
  const hello = {
    versionMin: 1,
    versionMax: 1,
    clusterName: 'prod',
    nodeId: 'x',
    expectedId: 'b',
    bootId: 'x1',
    capabilities: [],
    codecHashes: {},
    sessionId: null,
    proposedId: 'p1',
    received: 0,
    ...changes,
    limits: { ...limits, ...changes.limits },
  };
  return new TextEncoder().encode(`CLTP${JSON.stringify(hello)}`);
}
