/**
 * What the world gives to a protocol. All of it is callback-shaped: a promise would hand the order of events to the
 * microtask queue, and that order has to belong to the simulator.
 */
import type { ClusterError } from './errors.ts';

export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: ClusterError };
/** Called exactly once, possibly before the function that took it returns. */
export type Done<T> = (outcome: Outcome<T>) => void;

export interface TimerHandle {
  /** Idempotent; a fired timer may be cancelled too. */
  cancel(): void;
}

/** Monotonic time in milliseconds from an arbitrary origin; never set back, the only time a decision may use. */
export interface Clock {
  nowMs(): number;
  setTimer(delayMs: number, fire: () => void): TimerHandle;
}

/** Time of day in milliseconds since the Unix epoch: for display and certificates, never for a decision. */
export interface WallClock {
  nowMs(): number;
}

/** Unpredictable bits, for seeds and ids. A core never draws from it: it gets a seed and keeps a {@link Prng}. */
export interface Random {
  u32(): number;
  bytes(length: number): Uint8Array;
}

export interface Address {
  /** IPv4, IPv6 or, where a port resolves names, a host name. */
  readonly host: string;
  readonly port: number;
}

export interface DatagramHandlers {
  onMessage(bytes: Uint8Array, from: Address): void;
  /** A send or receive failed; the socket stays open unless `closed`. */
  onError(error: ClusterError): void;
}

export interface DatagramSocket {
  readonly local: Address;
  /** Fire and forget: a datagram may be lost, and failures go to `onError`. The bytes must not change afterwards. */
  send(bytes: Uint8Array, to: Address): void;
  close(): void;
}

/** Unreliable datagrams (UDP). Port 0 asks for a free one. */
export interface DatagramPort {
  bind(local: Address, handlers: DatagramHandlers, done: Done<DatagramSocket>): void;
}

export interface DuplexHandlers {
  onData(bytes: Uint8Array): void;
  /** The peer has sent its last byte. */
  onEnd(): void;
  /** The stream is gone; nothing follows. `error` is null after an orderly close. */
  onClose(error: ClusterError | null): void;
  /** The write buffer has emptied after `write` said false. */
  onDrain?(): void;
}

/** A reliable ordered byte stream (TCP). */
export interface Duplex {
  readonly remote: Address;
  /** Set by the accepting side before the first byte is delivered. */
  handlers: DuplexHandlers;
  /** False when the buffer is full: wait for `onDrain`. */
  write(bytes: Uint8Array): boolean;
  /** Sends what is buffered, then ends the sending half. */
  end(): void;
  destroy(): void;
}

export interface DuplexListener {
  readonly local: Address;
  close(): void;
}

export interface DuplexPort {
  /** `accept` must set `stream.handlers` before it returns. */
  listen(local: Address, accept: (stream: Duplex) => void, done: Done<DuplexListener>): void;
  /** `timeoutMs` bounds the connection attempt. */
  dial(remote: Address, handlers: DuplexHandlers, timeoutMs: number, done: Done<Duplex>): void;
}

/** One open file. Offsets and lengths are bytes. Writes are durable only after a later `sync` has completed. */
export interface DiskFile {
  readonly path: string;
  size(done: Done<number>): void;
  /** Fewer bytes than asked for only at the end of the file. */
  read(offset: number, length: number, done: Done<Uint8Array>): void;
  write(offset: number, bytes: Uint8Array, done: Done<void>): void;
  /** fdatasync: everything written (and the length) before this call is on the medium when it completes. */
  sync(done: Done<void>): void;
  /** A write that is on the medium when it completes: `write` and `sync` of its bytes in one trip, where the system has that. */
  writeDurably?(offset: number, bytes: Uint8Array, done: Done<void>): void;
  /** Extends the file with zeros to at least `length` bytes. */
  allocate(length: number, done: Done<void>): void;
  truncate(length: number, done: Done<void>): void;
  close(done: Done<void>): void;
}

/** A folder tree; paths are relative, with `/`, and the root is ''. Errors carry the codes of `diskError`. A created, renamed or removed name is durable only after `syncDirectory` of its folder. */
export interface Disk {
  /** With the folders above it; one that exists is fine. */
  makeDirectory(path: string, done: Done<void>): void;
  /** File names (not paths) in the folder, sorted; an absent folder is an error. */
  list(path: string, done: Done<readonly string[]>): void;
  /** Its folder must exist. Without `create` an absent file is an error. */
  open(path: string, options: { readonly create: boolean }, done: Done<DiskFile>): void;
  /** Replaces a file of the new name, all or nothing. */
  rename(from: string, to: string, done: Done<void>): void;
  /** Removes a file. */
  remove(path: string, done: Done<void>): void;
  syncDirectory(path: string, done: Done<void>): void;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface Logger {
  log(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void;
}

export const silentLogger: Logger = { log: () => undefined };

export interface Counter {
  add(amount?: number): void;
}
export interface Gauge {
  set(value: number): void;
}
export interface Histogram {
  observe(value: number): void;
}
export interface MetricOptions {
  readonly help: string;
  /** Label values, e.g. `{ reason: 'crc' }`; each combination is a series of its own, so keep them few. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** Where numbers go. Names carry their unit (`ping_duration_ms`, `bytes_sent`). */
export interface Metrics {
  counter(name: string, options: MetricOptions): Counter;
  gauge(name: string, options: MetricOptions): Gauge;
  histogram(name: string, options: MetricOptions): Histogram;
}
