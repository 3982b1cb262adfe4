/** Bytes <-> messages. What a peer sent is checked here and only here; nothing here throws for it. */
export { dialable, hostBytes, parseAddress } from './wire/addresses.ts';
export { decodeMessage, encodeMessage, nameBytesMax, sharedBytes, userBytes } from './wire/messages.ts';
export {
  decodeCoordinate,
  decodeKeyAnswer,
  decodeKeyRequest,
  decodeNameAnswer,
  decodeSerf,
  decodeSerfState,
  encodeCoordinate,
  encodeKeyAnswer,
  encodeKeyRequest,
  encodeNameAnswer,
  encodeSerf,
  encodeSerfState,
  type KeyAnswer,
} from './wire/serf.ts';
export { decodeMetadata, encodeMetadata, isMetadata } from './wire/metadata.ts';
export {
  decodeTags,
  encodeTags,
  metaBytesMax,
  metadataTag,
  metadataTagValue,
  type Tags,
} from './wire/meta.ts';
export { isWithin, type Network, parseNetwork } from './wire/networks.ts';
export {
  compoundBytes,
  compoundPartsMax,
  type DecodedPacket,
  decodePacket,
  encodePacket,
  envelopeBytes,
  type WireOptions,
} from './wire/packet.ts';
export {
  encodePushPull,
  encodeStreamError,
  encodeStreamMessage,
  encodeStreamUser,
  sealStream,
  StreamDecoder,
  type StreamMessage,
  type StreamOptions,
} from './wire/stream.ts';
