import type { MutationResult } from './mutate.ts';
import { survivorsFile } from './survivors.ts';

/** The table of machines, then what has to be mended. */
export function reportLines({ machines, survivors, outdated, mutants, killed }: MutationResult): string[] {
  const width = Math.max(7, ...machines.map(({ machine }) => machine.length));
  const lines = [`${'machine'.padEnd(width)}  mutants  survived`];
  for (const row of machines)
    lines.push(
      `${row.machine.padEnd(width)}  ${String(row.mutants).padStart(7)}  ${String(row.survived).padStart(8)}`,
    );
  for (const { mutant, reason } of survivors)
    lines.push(reason === undefined ? `SURVIVED  ${mutant}` : `accepted  ${mutant} (${reason})`);
  for (const id of outdated)
    lines.push(`OUTDATED  ${id} is in ${survivorsFile}, but it is killed or no longer there`);
  lines.push(`${killed} of ${mutants} mutants killed`);
  return lines;
}
