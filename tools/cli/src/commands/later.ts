/** Commands that have their name and place already, and arrive with a later version. */
import { ClusterError } from '@cluster/core';
import { Command } from 'commander';
import type { MakeCommand } from '../context.ts';

export const notYet = (command: string): ClusterError =>
  new ClusterError({
    code: 'NOT_AVAILABLE',
    fault: 'caller',
    message: `\`${command}\` arrives with a later version.`,
    advice: 'Run `cluster --help` to see what there is.',
  });

const later =
  (name: string, description: string): MakeCommand =>
  () =>
    new Command(name)
      .description(`${description} (arrives with a later version)`)
      .argument('[anything...]')
      .allowUnknownOption()
      .action(() => {
        throw notYet(name);
      });

export const laterCommands: readonly MakeCommand[] = [later('lab', 'the debugger in a browser')];
