/** @packageDocumentation The manager on Node: `ClusterNetworkManager.create()`, `ClusterClient.connect()`. */
export { ClusterClient, type ConnectOptions } from './adapters/node/connect.ts';
export { ClusterNetworkManager, type CreateOptions } from './adapters/node/create.ts';
export type { TlsInput } from './node/tls.ts';
