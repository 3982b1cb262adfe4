/** @packageDocumentation The facade of the cluster. Everything here runs in a browser; `@cluster/manager/node` binds it to Node. */
export { ClusterMetadata } from './cluster-metadata.ts';
export { ClusterClient, type ClientQueryOptions, type ClusterClientParts } from './client.ts';
export { MessageCodec, messageCodecHash, type MessageCodecOptions } from './codec.ts';
export type {
  BalancerComponent,
  ByteHandler,
  Committed,
  Components,
  Endpoint,
  LogChange,
  LogComponent,
  LogStatus,
  MemberChange,
  MembershipChange,
  MembershipComponent,
  MemberView,
  MessengerComponent,
  OnComponentFailed,
  PathsComponent,
  PathView,
  PeerContext,
  PickRequest,
  QuorumComponent,
  QuorumView,
  RosterCall,
  RosterChange,
  RosterComponent,
  Route,
  SendOptions,
} from './components.ts';
export {
  type ManagerConfig,
  type ManagerConfigInput,
  managerConfigSchema,
  parseManagerConfig,
} from './config.ts';
export type { BroadcastOutcome, MessageHandler, SendMessageOptions } from './dispatcher.ts';
export type { Environment } from './environment.ts';
export {
  managerError,
  type ManagerErrorCode,
  type ManagerErrorDetails,
  managerErrors,
  notAvailable,
  type UnavailableMethod,
} from './errors.ts';
export type { HealthCheck, HealthReport } from './health-check.ts';
export type {
  RollingRestartOptions,
  SessionInfo,
  SessionManager,
  Transaction,
  TransactionManager,
} from './later.ts';
export type { Leadership, LeadershipStatus } from './leadership.ts';
export { ClusterNetworkManager } from './manager.ts';
export {
  clientKinds,
  type ClusterMessage,
  type ClusterMessageInput,
  clusterMessageSchema,
  type MessageKind,
  messageKinds,
  type MessageOf,
  messageSchemas,
  messageTypeIds,
} from './messages.ts';
export type { AllMetrics, MetricValues } from './metrics.ts';
export type { ProposeOptions, ProposeResult, ReadOptions, RouteOptions } from './options.ts';
export type {
  AppliedEntry,
  Database,
  SessionChange,
  SessionMark,
  SessionRecord,
  StateImages,
  StateMachine,
} from './ports.ts';
export type { QueryOptions } from './query-service.ts';
export type { QueryResult, QueryRows, SqlValue, StatementResult } from './sql.ts';
export type {
  CallOptions,
  ClusterEvent,
  FailoverEvent,
  LifecycleEvent,
  LifecycleState,
  LoadReport,
  MembershipEvent,
  MetadataEvent,
  NodeInfo,
  NodeState,
  OverflowEvent,
  PartitionEvent,
  PeerEvent,
  Priority,
  QuorumChange,
  RaftRole,
  RosterEvent,
  RoutingStrategy,
} from './types.ts';
