/** @packageDocumentation The facade of the cluster. Everything here runs in a browser; `@cluster/manager/node` binds it. */
export {
  managerError,
  type ManagerErrorCode,
  type ManagerErrorDetails,
  managerErrors,
  notAvailable,
  type UnavailableMethod,
} from './errors.ts';
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
export type {
  AppliedEntry,
  Database,
  SessionChange,
  SessionMark,
  SessionRecord,
  StateMachine,
} from './ports.ts';
export type { QueryResult, QueryRows, SqlValue, StatementResult } from './sql.ts';
export type {
  CallOptions,
  ClusterEvent,
  FailoverEvent,
  LifecycleEvent,
  LifecycleState,
  LoadReport,
  MembershipEvent,
  NodeInfo,
  NodeState,
  OverflowEvent,
  PeerEvent,
  Priority,
  RaftRole,
  RoutingStrategy,
} from './types.ts';
