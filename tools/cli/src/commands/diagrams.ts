import { Command } from 'commander';
import type { MakeCommand } from '../context.ts';

export const diagramsCommand: MakeCommand = ({ out }, done) =>
  new Command('diagrams')
    .description('write docs/diagrams from the machines, and docs/reference from the configuration schemas')
    .option('--json', 'print what was written as one line of JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const { diagrams, reference, workspaceRoot, writeGenerated } = await import('@cluster/check');
      const root = workspaceRoot();
      const written = [...(await writeGenerated(root, diagrams)), ...(await writeGenerated(root, reference))];
      if (json) out(`${JSON.stringify({ written })}\n`);
      else {
        for (const { file, problem } of written) out(`${file} (was ${problem})\n`);
        if (written.length === 0) out('all of them are up to date\n');
      }
      done(0);
    });
