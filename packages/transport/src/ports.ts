/** What the transport needs from outside. */
import type {
  Address,
  Clock,
  Done,
  Duplex,
  DuplexHandlers,
  DuplexListener,
  Logger,
  Metrics,
  Tracer,
} from '@cluster/core';
import type { Certified } from './core/protocol.ts';
import type { Refusal } from './core/refusal.ts';

/** Where nodes listen. Asked at every dial, so it may change its mind. */
export interface PeerDirectory {
  lookup(nodeId: string): Address | undefined;
}

/** An encrypted stream whose other end has been asked for a certificate. */
export interface SecureStream extends Duplex {
  /**
   * The identity that a verified chain has proved, or why there is none. The stream is open even then, so that the peer
   * can be told; the engine refuses it.
   */
  readonly certified: Certified;
  /** Of the certificate that the peer has shown: its SHA-256 fingerprint, if the stream knows one. */
  readonly certificate?: string | undefined;
  /**
   * What has been written and has not left; bytes that have are the writer's again. Default: unknown; then only `onDrain` shows that
   * the peer reads, and nothing is written to memory a second time.
   */
  readonly unsentBytes?: number;
  /** What `onData` is given now is lent until it returns, and then read over. Default: false. */
  readonly lendsReads?: boolean;
  /** Called when what the peer has shown counts no more. Who uses the stream sets it, tells the peer, and closes. */
  onRevoked?: ((refusal: Refusal) => void) | undefined;
}

/** Mutually authenticated streams: TLS 1.3 in production, plain pairs in tests and simulation. */
export interface SecureStreamPort {
  /**
   * `accept` must set `stream.handlers` before it returns. `reject` hears of connections that never became a stream: garbage,
   * a failed TLS handshake, silence, too many at once.
   */
  listen(
    local: Address,
    accept: (stream: SecureStream) => void,
    reject: (refusal: Refusal) => void,
    done: Done<DuplexListener>,
  ): void;
  dial(remote: Address, handlers: DuplexHandlers, timeoutMs: number, done: Done<SecureStream>): void;
}

/** Raw DEFLATE (RFC 1951). It occupies the process for as long as it takes: configuration bounds what it is given. */
export interface Compressor {
  /** Null when it does not fit into `bytesMax`. */
  deflate(bytes: Uint8Array, bytesMax: number): Uint8Array | null;
  /** Null unless the bytes are one whole stream of `length` bytes and nothing else. It never makes more than that. */
  inflate(bytes: Uint8Array, length: number): Uint8Array | null;
}

export interface TransportPorts {
  readonly clock: Clock;
  readonly streams: SecureStreamPort;
  readonly directory: PeerDirectory;
  /** Seed of the jitter and of session ids. */
  readonly seed: number;
  /** Unique to this start of the process: letters, digits, `.`, `_`, `-`. */
  readonly bootId: string;
  /** Runs at the end of the current callback (a microtask): a lone message for an idle transport leaves then. Default: with `defer`. */
  readonly soon?: (run: () => void) => void;
  /** Runs after the current turn: what is sent within a turn is written together. Default: a timer of 0 ms. */
  readonly defer?: (run: () => void) => void;
  /** A buffer of its own that need not be zeroed; every byte is written before it is used. Default: `new Uint8Array`. */
  readonly allocate?: (bytes: number) => Uint8Array;
  /** Needed where `compression` is on. */
  readonly compressor?: Compressor | undefined;
  readonly logger?: Logger | undefined;
  readonly metrics?: Metrics | undefined;
  readonly tracer?: Tracer | undefined;
}
