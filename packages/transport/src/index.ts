/** @packageDocumentation How nodes talk: mutually authenticated streams, priorities, reliable delivery. */
export { type TransportConfig, type TransportConfigInput, transportConfigSchema } from './config.ts';
export type { Hello } from './core/handshake.ts';
export {
  identityOf,
  identityUri,
  type Line,
  isRefusal,
  parseIdentityUri,
  type PeerIdentity,
  type PeerRole,
} from './core/identity.ts';
export { priorities, type Priority } from './core/outgoing.ts';
export type { Certified, TransportEffect, TransportInput } from './core/protocol.ts';
export type { Refusal } from './core/refusal.ts';
export type { TransportCoreConfig } from './core/entities.ts';
export { TransportCore } from './core/transport-core.ts';
export type { Call } from './engine/call.ts';
export type { EngineContext, InboundRequest } from './engine/inbound.ts';
export type { ChannelStatus, ConnectionStatus, StreamStatus } from './engine/channels.ts';
export type { Counts } from './core/tally.ts';
export { TransportEngine } from './engine/engine.ts';
export type { EngineHandler, HandlerOptions } from './engine/handlers.ts';
export type { RateLimit } from './core/rate-limit.ts';
export type { ByteStream, StreamHandlers } from './engine/byte-stream.ts';
export type { StreamAcceptor } from './engine/stream-gate.ts';
export type {
  StreamContext,
  StreamHandler,
  StreamOptions,
  StreamWaitOptions,
  TransportStream,
} from './stream.ts';
export type { CallOptions, LineEvent, PeerEvent, PeerStatus } from './engine/types.ts';
export { RemoteHandlerError } from './errors.ts';
export type { Compressor, PeerDirectory, SecureStream, SecureStreamPort, TransportPorts } from './ports.ts';
export { type MessageContext, type MessageHandler, type SendOptions, Transport } from './transport.ts';
export { encodeFrame, flagBits, frameTypes, type FrameType, headerBytes, writeHeader } from './wire/frame.ts';
export { type FrameFault, FrameParser, type FrameSink } from './wire/parser.ts';
