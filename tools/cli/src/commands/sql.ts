import { Command } from 'commander';
import type { MakeCommand } from '../context.ts';

export const sqlCommand: MakeCommand = (_context, done) =>
  new Command('sql')
    .description('run one statement against a cluster that `demo --keep` has started')
    .argument('<statement>', 'SQL, e.g. "SELECT count(*) FROM ledger"')
    .requiredOption('--cluster <file>', 'the file that the demo has named')
    .option('--json', 'print the result as one line of JSON')
    .action(async (sql: string, options: { cluster: string; json?: boolean }) => {
      const { runSql } = await import('@cluster/demo');
      done(await runSql({ sql, ...options }));
    });
