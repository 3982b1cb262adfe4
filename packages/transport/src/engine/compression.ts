/** What a node does about compression: how its messages shrink, and how those of peers are made whole again. */
import { ClusterError } from '@cluster/core';
import type { TransportConfig } from '../config.ts';
import { plainLengthBytes, plainLengthOf, type Shrink, shrinker } from '../core/compression.ts';
import { messageOverheadBytes } from '../core/credit.ts';
import type { Refusal } from '../core/refusal.ts';
import type { TransportMetrics } from '../metrics.ts';
import type { Compressor } from '../ports.ts';
import { flagBits } from '../wire/frame.ts';
import type { Delivery } from './delivery.ts';

/** Why a message cannot be expanded: the label of `frames_rejected`, and what the peer is told. */
export interface Unexpandable {
  readonly label: 'compression' | 'expanded_oversized' | 'credit';
  readonly refusal: Refusal;
}

const refused = (label: Unexpandable['label'], reason: string): Unexpandable => ({
  label,
  refusal: { code: 'TRANSPORT_COMPRESSION_REFUSED', reason },
});

export interface Compression {
  readonly shrink: Shrink | null;
  readonly expander: Expander;
}

/** @throws ClusterError `TRANSPORT_CONFIG_INVALID` when it is on and nothing is there to do it. */
export function compressionOf(
  config: TransportConfig,
  compressor: Compressor | undefined,
  metrics: TransportMetrics,
): Compression {
  const { compression, messageBytesMax } = config;
  if (compression === 'off') return { shrink: null, expander: new Expander(null, messageBytesMax, metrics) };
  if (compressor === undefined)
    throw new ClusterError({
      code: 'TRANSPORT_CONFIG_INVALID',
      fault: 'caller',
      message: 'compression is on, and the port compressor is missing.',
      advice: 'Give the port, or leave compression off.',
    });
  return {
    shrink: shrinker(compressor, config, (before, after) => metrics.compressed(before, after)),
    expander: new Expander(compressor, messageBytesMax, metrics),
  };
}

/** What a peer says of a compressed message is checked before anything is made. */
export class Expander {
  readonly #compressor: Compressor | null;
  readonly #messageBytesMax: number;
  readonly #metrics: TransportMetrics;

  constructor(compressor: Compressor | null, messageBytesMax: number, metrics: TransportMetrics) {
    this.#compressor = compressor;
    this.#messageBytesMax = messageBytesMax;
    this.#metrics = metrics;
  }

  /** @param isCharged a message of the peer's that flow control counts; in chunks it has been charged for what came. */
  expand(
    delivery: Delivery,
    flags: number,
    bytes: Uint8Array,
    isCharged: boolean,
  ): Uint8Array | Unexpandable {
    if (this.#compressor === null || !delivery.compresses)
      return refused('compression', 'a compressed message, which was not agreed on');
    const length = plainLengthOf(bytes);
    if (length === null) return refused('compression', 'a compressed message that is no smaller than before');
    if (length > this.#messageBytesMax)
      return refused('expanded_oversized', `a compressed message of ${length} bytes, which is too large`);
    const charged = (flags & flagBits.completes) === 0 ? 0 : messageOverheadBytes + bytes.length;
    const cost = messageOverheadBytes + length;
    if (isCharged && !delivery.receiveCredit.recharge(flags & flagBits.priority, charged, cost))
      return refused('credit', 'a compressed message that is larger than it may be');
    const whole = this.#compressor.inflate(bytes.subarray(plainLengthBytes), length);
    if (whole === null) return refused('compression', 'a compressed message that is not what it says');
    this.#metrics.messagesExpanded.add();
    return whole;
  }
}
