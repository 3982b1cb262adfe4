import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where survivors are accepted, one line each: a dash, the mutant in backticks, and why no test should notice it. */
export const survivorsFile = 'docs/mutation-survivors.md';

/** Mutant id to the reason it may survive. */
export function justifiedSurvivors(root: string): Map<string, string> {
  const path = join(root, survivorsFile);
  const reasons = new Map<string, string>();
  if (!existsSync(path)) return reasons;
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const [, id, reason] = /^[-*] `([^`]+#[^`]+)`:?\s*(.*)$/.exec(line) ?? [];
    if (id !== undefined && reason !== undefined && reason !== '') reasons.set(id, reason);
  }
  return reasons;
}
