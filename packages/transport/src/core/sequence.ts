/** Sequence numbers are 32 bits and wrap: compared by distance (RFC 1982), which is sound while windows are far below 2^31. */

/** How far `a` is ahead of `b`; negative = behind. */
export const ahead = (a: number, b: number): number => (a - b) | 0;

export const after = (sequence: number, steps = 1): number => (sequence + steps) >>> 0;
