import { type Address, type ClusterError, formatAddress, networkError } from '@cluster/core';

export const addressInUse = (at: Address): ClusterError =>
  networkError('NET_ADDRESS_IN_USE', `${formatAddress(at)} is in use on this host.`);

export const addressNotHere = (at: Address, host: string): ClusterError =>
  networkError('NET_ADDRESS_NOT_AVAILABLE', `${formatAddress(at)} is not an address of ${host}.`);

export const refused = (at: Address): ClusterError =>
  networkError('NET_REFUSED', `Nothing listens at ${formatAddress(at)}.`);

export const dialTimedOut = (at: Address, timeoutMs: number): ClusterError =>
  networkError('NET_TIMEOUT', `Cannot connect to ${formatAddress(at)} within ${timeoutMs} ms.`);

export const reset = (at: Address, why: string): ClusterError =>
  networkError('NET_RESET', `The stream to ${formatAddress(at)} broke: ${why}.`);

export const datagramTooLarge = (bytes: number): ClusterError =>
  networkError('NET_DATAGRAM_TOO_LARGE', `A datagram of ${bytes} bytes was not sent.`);
