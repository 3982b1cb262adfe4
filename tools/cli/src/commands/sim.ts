import { Command } from 'commander';
import type { MakeCommand } from '../context.ts';

export const simCommand: MakeCommand = ({ out, err }, done) =>
  new Command('sim')
    .description('run seeds of whole clusters in virtual time, with faults, checking safety after every step')
    .argument('[worlds...]', 'raft, raft-groups, swim, metadata, quorum, transport; all when none is given')
    .option('--seeds <range>', 'A..B, or one seed', '1..500')
    .option(
      '--trace <folder>',
      'where traces go: of failing seeds, and of a passing one when a single seed is run',
    )
    .option('--json', 'end with one line of JSON')
    .action(async (worlds: string[], options: { seeds: string; trace?: string; json?: boolean }) => {
      const { groupsWorld, metadataWorld, quorumWorld, raftWorld, runSim, swimWorld, transportWorld } =
        await import('@cluster/worlds');
      done(
        runSim([raftWorld, groupsWorld, swimWorld, metadataWorld, quorumWorld, transportWorld], worlds, {
          ...options,
          out,
          err,
        }),
      );
    });
