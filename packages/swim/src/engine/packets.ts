/** UDP: composes packets from messages, encoding what is sent repeatedly only once, and counts. */
import { type Address, type DatagramSocket } from '@cluster/core';
import type { SwimConfig } from '../config.ts';
import type { SwimInput } from '../core/effects.ts';
import type { Claim, Message, User } from '../core/messages.ts';
import { cipherMissing } from '../errors.ts';
import type { SwimMetrics } from '../metrics.ts';
import type { PacketCipher } from '../ports.ts';
import type { Gate } from './gate.ts';
import {
  decodePacket,
  dialable,
  encodeMessage,
  encodePacket,
  userBytes,
  type StreamOptions,
  type WireOptions,
} from '../wire.ts';

/**
 * How everything of this member is written and read, over UDP and TCP.
 * @throws ClusterError `SWIM_CIPHER_MISSING` when there are gossip keys but nothing to use them.
 */
export function wireOptions(config: SwimConfig, cipher: PacketCipher | undefined): StreamOptions {
  if (config.gossipKeys.length > 0 && !cipher) throw cipherMissing();
  return {
    label: new TextEncoder().encode(config.label),
    cipher,
    inflateBytesMax: config.inflateBytesMax,
    compress: config.compression,
    streamBytesMax: config.pushPullBytesMax,
    userBytesMax: config.userMessageBytesMax,
  };
}

// A claim stays the same object while it is gossiped, whoever in this process does so.
const encoded = new WeakMap<Claim, Uint8Array>();

export class Packets {
  readonly #wire: WireOptions;
  readonly #metrics: SwimMetrics;
  readonly #gate: Gate;
  /** What was measured last is most often what is sent next. */
  #last: { readonly message: Message; readonly bytes: Uint8Array } | null = null;

  constructor(wire: WireOptions, metrics: SwimMetrics, gate: Gate) {
    this.#wire = wire;
    this.#metrics = metrics;
    this.#gate = gate;
  }

  bytesOf(message: Message): number {
    return message.type === 'user' ? userBytes(message) : this.#encode(message).length;
  }

  send(socket: DatagramSocket, to: Address, messages: readonly Message[], checksum: boolean): void {
    const parts = messages.map((message) => (message.type === 'user' ? message : this.#encode(message)));
    const packet = encodePacket(parts, checksum, this.#wire);
    socket.send(packet, dialable(to));
    if (messages[0]?.type === 'ping') this.#metrics.pings.add();
    this.#metrics.packetsSent.add();
    this.#metrics.bytesSent.add(packet.length);
    this.#metrics.packetBytes.observe(packet.length);
  }

  receive(bytes: Uint8Array, from: Address): Extract<SwimInput, { type: 'PACKET' }> {
    this.#metrics.packetsReceived.add();
    this.#metrics.bytesReceived.add(bytes.length);
    if (!this.#gate.allows(from)) return { type: 'PACKET', from, messages: [], rejected: ['network'] };
    const { messages, rejected } = this.#gate.packet(decodePacket(bytes, this.#wire));
    return { type: 'PACKET', from, messages, rejected };
  }

  #encode(message: Exclude<Message, User>): Uint8Array {
    switch (message.type) {
      case 'alive':
      case 'suspect':
      case 'dead': {
        let bytes = encoded.get(message);
        if (bytes === undefined) {
          bytes = encodeMessage(message);
          encoded.set(message, bytes);
        }
        return bytes;
      }
      case 'ping':
      case 'indirectPing':
      case 'ack':
      case 'nack':
        if (this.#last?.message !== message) this.#last = { message, bytes: encodeMessage(message) };
        return this.#last.bytes;
    }
  }
}
