/**
 * What clients write: an operation number, different for every logical operation, and what it does to a register: its number becomes
 * the register's value, always or if the value is what it expects.
 */

/** Number of the operation that wrote a register last. */
export type RegisterValue = number;

export const registerKeys: readonly number[] = [0, 1, 2];

/** A register that nobody has written. */
export const unwritten: RegisterValue = 0;

export interface RegisterWrite {
  readonly key: number;
  /** What a swap compares with; null: it just writes. */
  readonly expect: RegisterValue | null;
}

const commandBytes = 12;
const headBytes = 10;

/** The filler makes writes span more than one place that can tear. */
export function encodeCommand(
  operation: number,
  { key, expect }: RegisterWrite = { key: 0, expect: null },
): Uint8Array {
  const bytes = new Uint8Array(commandBytes + (operation % 7) * 100);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, operation);
  view.setUint8(4, key);
  view.setUint8(5, expect === null ? 0 : 1);
  view.setUint32(6, expect ?? 0);
  bytes.fill(operation & 255, headBytes);
  return bytes;
}

export function decodeWrite(command: Uint8Array): RegisterWrite {
  const view = new DataView(command.buffer, command.byteOffset, command.byteLength);
  return { key: view.getUint8(4), expect: view.getUint8(5) === 0 ? null : view.getUint32(6) };
}

/** Does to the registers what a command says. @returns whether it has written. */
export function writeRegister(registers: Map<number, RegisterValue>, command: Uint8Array): boolean {
  const { key, expect } = decodeWrite(command);
  if (expect !== null && expect !== (registers.get(key) ?? unwritten)) return false;
  registers.set(key, decodeNumber(command));
  return true;
}

/** The result of an operation: how many came before it, and whether it has written its register. */
export const encodeResult = (position: number, hasWritten: boolean): Uint8Array =>
  encodeNumber(position * 2 + Number(hasWritten));

export const hasWritten = (result: Uint8Array): boolean => decodeNumber(result) % 2 === 1;

export function decodeNumber(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0);
}

export function encodeNumber(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

export const describeCommand = (bytes: Uint8Array): string =>
  bytes.length < 4 ? '' : `#${decodeNumber(bytes)}`;

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a === b || (a.length === b.length && a.every((byte, at) => byte === b[at]));
