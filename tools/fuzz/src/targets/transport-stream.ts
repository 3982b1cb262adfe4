/** A connection of which one end is the target's and the other is whoever speaks to it. */
import type { Address } from '@cluster/core';
import type { Certified, SecureStream } from '@cluster/transport';
import { DeafStream } from '../memory-net.ts';

export const nobody: Address = { host: '10.0.0.66', port: 1 };

export class FuzzStream extends DeafStream implements SecureStream {
  readonly certified: Certified;
  readonly lendsReads = true;
  onWrite: (bytes: Uint8Array) => void = () => undefined;

  constructor(certified: Certified) {
    super(nobody);
    this.certified = certified;
  }

  /** The target reads this, and the next to the same place: who looks at it later is found out. */
  read(bytes: Uint8Array): void {
    const lent = bytes.slice();
    this.handlers.onData(lent);
    lent.fill(0xee);
  }

  override write(bytes: Uint8Array): boolean {
    this.onWrite(bytes.slice());
    return super.write(bytes);
  }
}
