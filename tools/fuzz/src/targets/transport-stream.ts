/** A connection of which one end is the target's and the other is whoever speaks to it. */
import type { Address } from '@cluster/core';
import type { Certified, SecureStream } from '@cluster/transport';
import { DeafStream } from '../memory-net.ts';

export const nobody: Address = { host: '10.0.0.66', port: 1 };

export class FuzzStream extends DeafStream implements SecureStream {
  readonly certified: Certified;
  onWrite: (bytes: Uint8Array) => void = () => undefined;

  constructor(certified: Certified) {
    super(nobody);
    this.certified = certified;
  }

  override write(bytes: Uint8Array): boolean {
    this.onWrite(bytes.slice());
    return super.write(bytes);
  }
}
