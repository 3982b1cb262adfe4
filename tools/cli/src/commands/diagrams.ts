import { Command } from 'commander';
import type { MakeCommand } from '../context.ts';

export const diagramsCommand: MakeCommand = ({ out }, done) =>
  new Command('diagrams')
    .description('write the Mermaid diagram of every machine to docs/diagrams')
    .option('--json', 'print what was written as one line of JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const { diagramsFolder, workspaceRoot, writeDiagrams } = await import('@cluster/check');
      const written = await writeDiagrams(workspaceRoot());
      if (json) out(`${JSON.stringify({ written })}\n`);
      else {
        for (const { file, problem } of written) out(`${diagramsFolder}/${file} (was ${problem})\n`);
        if (written.length === 0) out(`${diagramsFolder} is up to date\n`);
      }
      done(0);
    });
