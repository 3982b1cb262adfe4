/** @packageDocumentation Objects as bytes, for messages whose ends agree on schemas. */
export { ObjectCodec, type ObjectCodecOptions } from './codec/object-codec.ts';
