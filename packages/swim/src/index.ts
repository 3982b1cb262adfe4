/** @packageDocumentation Who is in the cluster: SWIM with Lifeguard on the memberlist wire. */
export {
  parseSwimConfig,
  type SwimConfig,
  type SwimConfigInput,
  swimConfigSchema,
  type SwimPreset,
  swimPresets,
} from './config.ts';
export type { MemberRecord, SeedFailure, SwimEffect, SwimInput } from './core/effects.ts';
export type { CoreOptions } from './core/pool.ts';
export { SwimCore } from './core/swim-core.ts';
export { SwimEngine } from './engine.ts';
export { diskIncarnations } from './incarnation-store.ts';
export type {
  Member,
  MemberEventType,
  MemberHappening,
  MembershipEvent,
  MemberState,
  Overflow,
} from './member.ts';
export type { IncarnationStore, NameResolver, PacketCipher, SwimDelegate, SwimPorts } from './ports.ts';
export { type Cancellable, Swim } from './swim.ts';
export { decodeTags, encodeTags, parseAddress, type Tags } from './wire.ts';
