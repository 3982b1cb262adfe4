import type { WalReport } from '@cluster/raft';
import { Command } from 'commander';
import type { MakeCommand } from '../context.ts';

interface Options {
  readonly cut?: boolean;
  readonly directory: string;
  readonly json?: boolean;
}

export const walCommand: MakeCommand = ({ out, err }, done) =>
  new Command('wal')
    .description('looks into the log of a replica that does not run; --cut cuts a damaged one off')
    .argument('<dataDir>', 'the data folder of the replica')
    .option(
      '--cut',
      'cut the log off where its damage begins, and keep the rest beside it; what is gone may have been acknowledged: read "A damaged log" in the README of @cluster/raft first',
    )
    .option('--directory <name>', "the log's folder within it", 'wal')
    .option('--json', 'end with one line of JSON; all else goes to standard error')
    .action(async (dataDir: string, { cut = false, directory, json }: Options) => {
      const { cutLog, inspectLog } = await import('@cluster/raft/node');
      const report = await (cut ? cutLog : inspectLog)(dataDir, directory);
      const isSound = report.problem === null && report.segments.every(({ damage }) => damage === null);
      const isCut = cut && report.segments.some(({ damage }) => damage !== null);
      (json ? err : out)(`${lines(report, isCut).join('\n')}\n`);
      if (json) out(`${JSON.stringify({ ok: isSound || isCut, cut: isCut, ...report })}\n`);
      done(isSound || isCut ? 0 : 1);
    });

function lines({ segments, behindDamage, problem }: WalReport, isCut: boolean): string[] {
  const found = segments.map(({ path, frames, soundBytes, bytes, damage }) => {
    const what = `${path}: ${frames} sound frames in ${soundBytes} of ${bytes} bytes`;
    return damage === null ? what : `${what}. DAMAGED: ${damage}`;
  });
  const behind = behindDamage.map((path) => `${path}: behind the damage, not judged`);
  const verdict = ((): string => {
    if (isCut)
      return 'Cut off where the damage began; the rest is beside it, under names that end in .damaged.';
    if (problem !== null) return `DAMAGED: ${problem}`;
    if (behind.length > 0 || segments.some(({ damage }) => damage !== null))
      return 'The log is damaged and not opened as it is. Restore the file from a sound copy if there is one.';
    return 'The log is sound.';
  })();
  return [...found, ...behind, verdict];
}
