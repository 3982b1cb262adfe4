import {
  type Address,
  type ClusterError,
  type DatagramHandlers,
  type DatagramPort,
  type DatagramSocket,
} from '@cluster/core';
import type { Host } from '../host.ts';
import { datagramOverheadBytes } from '../socket-buffer.ts';
import { addressInUse, addressNotHere, datagramTooLarge } from './errors.ts';
import type { BoundSocket, Fabric } from './fabric.ts';

// UDP over IPv4.
const datagramBytesMax = 65_507;

export function datagramPort(fabric: Fabric, host: Host, incarnation: number): DatagramPort {
  return {
    bind(local, handlers, done) {
      const answer = (): void => {
        const bound = bind(fabric, host, incarnation, local, handlers);
        done('code' in bound ? { ok: false, error: bound } : { ok: true, value: bound });
      };
      fabric.kernel.after(0, answer, host, incarnation);
    },
  };
}

function bind(
  fabric: Fabric,
  host: Host,
  incarnation: number,
  wanted: Address,
  handlers: DatagramHandlers,
): DatagramSocket | ClusterError {
  const local = fabric.resolve(host, wanted);
  if (local === null) return addressNotHere(wanted, host.name);
  const bound = fabric.socketsOf(host);
  if (bound.has(local.port)) return addressInUse(local);
  const socket: BoundSocket = { handlers };
  bound.set(local.port, socket);
  const isOpen = (): boolean => host.runs(incarnation) && bound.get(local.port) === socket;
  return {
    local,
    send: (bytes, to) => {
      if (!isOpen()) return;
      if (bytes.length > datagramBytesMax) {
        const report = (): void => {
          if (isOpen()) handlers.onError(datagramTooLarge(bytes.length));
        };
        fabric.kernel.after(0, report, host, incarnation);
        return;
      }
      const target = fabric.hostAt(to.host);
      // An address nobody has: the packet goes nowhere, and nobody says so.
      if (target === undefined) return fabric.kernel.counters.add('droppedNoReceiver');
      const arrive = (): void => {
        const receive = (): void => deliver(fabric, bytes, local, target, to.port);
        fabric.kernel.receive(target, bytes.length + datagramOverheadBytes, receive);
      };
      fabric.kernel.transmit(host, bytes.length + datagramOverheadBytes, () =>
        fabric.links.send(host, target, bytes.length, arrive),
      );
    },
    close: () => {
      if (isOpen()) bound.delete(local.port);
    },
  };
}

function deliver(fabric: Fabric, bytes: Uint8Array, from: Address, to: Host, port: number): void {
  const socket = fabric.socketsOf(to).get(port);
  if (socket === undefined) return fabric.kernel.counters.add('droppedNoReceiver');
  fabric.kernel.fold(bytes.length);
  socket.handlers.onMessage(bytes.slice(), from);
}
