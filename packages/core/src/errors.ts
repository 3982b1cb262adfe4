/** Whose fault an error is: decides whether to mend the call, distrust the peer, fix the machine, or report a bug. */
export type Fault = 'peer' | 'caller' | 'environment' | 'bug';

/** Whether repeating the failed call makes sense: `safe` = nothing happened, `unsafe` = it may have happened, `useless` = it will fail again. */
export type Retry = 'safe' | 'unsafe' | 'useless';

export interface ClusterErrorOptions {
  /** Stable and documented, `PACKAGE_NOUN_PROBLEM`, e.g. `SWIM_PACKET_TOO_LARGE`. */
  readonly code: string;
  readonly fault: Fault;
  /** What happened, in one line. */
  readonly message: string;
  /** What to do about it, in one line. */
  readonly advice: string;
  /** Whether the failed call changed any state. Default false. */
  readonly stateChanged?: boolean;
  /** Default `useless` for the caller's mistakes and bugs, `safe` otherwise. */
  readonly retry?: Retry;
  readonly cause?: unknown;
}

// A registered symbol, so that two copies of this package in one process recognise each other's errors.
const brand = Symbol.for('@cluster/core/ClusterError');

/** The one error type of every package: a stable code, whose fault it is, and what to do. */
export class ClusterError extends Error {
  readonly code: string;
  readonly fault: Fault;
  readonly advice: string;
  readonly stateChanged: boolean;
  readonly retry: Retry;

  constructor(options: ClusterErrorOptions) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ClusterError';
    this.code = options.code;
    this.fault = options.fault;
    this.advice = options.advice;
    this.stateChanged = options.stateChanged ?? false;
    this.retry =
      options.retry ?? (options.fault === 'caller' || options.fault === 'bug' ? 'useless' : 'safe');
    Object.defineProperty(this, brand, { value: true });
  }

  /** True for a ClusterError of any copy of this package. */
  static is(value: unknown): value is ClusterError {
    return typeof value === 'object' && value !== null && brand in value;
  }

  /** `CODE: what happened. What to do.` — the one line a command prints. */
  get line(): string {
    return `${this.code}: ${this.message} ${this.advice}`;
  }
}

/** States an invariant that only a bug can break; it stays on in production. */
export function assert(claim: unknown, message: string): asserts claim {
  if (!claim) {
    throw new ClusterError({
      code: 'CORE_ASSERTION_FAILED',
      fault: 'bug',
      message: `Invariant broken: ${message}.`,
      advice: 'This is a bug: please report it with the trace.',
    });
  }
}

/** The exhaustive end of a `switch` over a discriminated union. */
export function unreachable(value: never): never {
  throw new ClusterError({
    code: 'CORE_UNREACHABLE',
    fault: 'bug',
    message: `Unhandled case ${caseName(value)}.`,
    advice: 'This is a bug: please report it with the trace.',
  });
}

const caseName = (value: unknown): string => {
  const type = (value as { type?: unknown } | null)?.type;
  return typeof type === 'string' ? type : typeof value === 'string' ? value : typeof value;
};

/** Turns anything thrown into one line for a person. */
export function describeError(error: unknown): string {
  if (ClusterError.is(error)) return error.line;
  if (!(error instanceof Error)) return String(error);
  if (error.message !== '') return error.message;
  // Some errors of the platform say nothing but their code.
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'string' ? code : error.name;
}
