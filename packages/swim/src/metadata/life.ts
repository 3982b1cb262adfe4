/**
 * How new a member's map is: which life of the member wrote it, and how many writes of that life it holds.
 *
 * Only the owner writes, so (life, counter) names one state of the map and no two members disagree about it. A life begins above
 * the one before where the incarnation is kept over restarts; where it is not, the owner meets its former life in what others
 * hold, and goes above it.
 */
export interface Life {
  /** The incarnation that the life began with, or one above what another life of the name was heard to have. */
  readonly epoch: number;
  /** Random: tells two lives of one epoch apart. */
  readonly boot: number;
}

/** The last one, of 32 bits on the wire. */
export const epochMax = 0xffff_ffff;

export interface Version extends Life {
  /** Writes of this life so far. */
  readonly counter: number;
}

export const noVersion: Version = { epoch: 0, boot: 0, counter: 0 };

/** Negative when `a` is the older life, 0 for the same one. */
export const compareLives = (a: Life, b: Life): number => a.epoch - b.epoch || a.boot - b.boot;

/** Negative when `a` is the older. */
export const compareVersions = (a: Version, b: Version): number =>
  compareLives(a, b) || a.counter - b.counter;
