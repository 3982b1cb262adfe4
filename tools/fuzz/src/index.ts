/** @packageDocumentation Hostile bytes against every decoder and engine, by seed. */
export { hostile, noise, pieces } from './hostile.ts';
export { type FuzzFailure, type FuzzOptions, type FuzzReport, runFuzz } from './run-fuzz.ts';
export { demand, type FuzzSubject, type FuzzTarget, type Verdict } from './target.ts';
export { fuzzTargets } from './targets/all.ts';
