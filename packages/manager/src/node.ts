/** @packageDocumentation The manager on Node: `ClusterNetworkManager.create()`, `ClusterClient.connect()`, certificates. */
export { ClusterClient, type ConnectOptions } from './adapters/node/connect.ts';
export { ClusterNetworkManager, type CreateOptions } from './adapters/node/create.ts';
export {
  type AuthorityOptions,
  type CertificateAndKey,
  createAuthority,
  issueClientCertificate,
  type IssuedIdentity,
  issueNodeCertificate,
  type IssueOptions,
  type ValidityOptions,
} from './node/authority.ts';
export type { TlsInput } from './node/tls.ts';
