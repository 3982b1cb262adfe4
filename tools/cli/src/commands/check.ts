import { Command } from 'commander';
import type { MakeCommand } from '../context.ts';

export const checkCommand: MakeCommand = ({ out, err }, done) =>
  new Command('check')
    .description('format, lint, import rules, types, stale docs and diagrams')
    .argument('[steps...]', 'only these steps; a wrong name lists them')
    .option('--json', 'end with one line of JSON; all else goes to standard error')
    .action(async (steps: string[], { json }: { json?: boolean }) => {
      const { runCheck } = await import('@cluster/check');
      const print = (line: string): void => (json ? err : out)(`${line}\n`);
      const reports = await runCheck({ print, ...(steps.length > 0 ? { only: steps } : {}) });
      const ok = reports.every((report) => report.ok);
      if (json) out(`${JSON.stringify({ ok, steps: reports })}\n`);
      done(ok ? 0 : 1);
    });
