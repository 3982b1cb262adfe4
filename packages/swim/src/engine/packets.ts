/** UDP: composes packets from messages, encoding what is sent repeatedly only once, and counts. */
import { type Address, type DatagramSocket } from '@cluster/core';
import type { Message } from '../core/messages.ts';
import type { SwimMetrics } from '../metrics.ts';
import {
  type DecodedPacket,
  decodePacket,
  dialable,
  encodeMessage,
  encodePacket,
  type WireOptions,
} from '../wire.ts';

export class Packets {
  readonly #wire: WireOptions;
  readonly #metrics: SwimMetrics;
  // A claim stays the same object while it is gossiped.
  readonly #encoded = new WeakMap<Message, Uint8Array>();

  constructor(wire: WireOptions, metrics: SwimMetrics) {
    this.#wire = wire;
    this.#metrics = metrics;
  }

  bytesOf(message: Message): number {
    return this.#encode(message).length;
  }

  send(socket: DatagramSocket, to: Address, messages: readonly Message[], checksum: boolean): void {
    const parts = messages.map((message) => this.#encode(message));
    const packet = encodePacket(parts, checksum, this.#wire);
    socket.send(packet, dialable(to));
    if (messages[0]?.type === 'ping') this.#metrics.pings.add();
    this.#metrics.packetsSent.add();
    this.#metrics.bytesSent.add(packet.length);
    this.#metrics.packetBytes.observe(packet.length);
  }

  receive(bytes: Uint8Array): DecodedPacket {
    this.#metrics.packetsReceived.add();
    this.#metrics.bytesReceived.add(bytes.length);
    return decodePacket(bytes, this.#wire);
  }

  #encode(message: Message): Uint8Array {
    let bytes = this.#encoded.get(message);
    if (bytes === undefined) {
      bytes = encodeMessage(message);
      this.#encoded.set(message, bytes);
    }
    return bytes;
  }
}
