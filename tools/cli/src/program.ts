/** The `cluster` command: one file per sub-command, each of which loads what it needs when it runs. */
import { Command } from 'commander';
import { benchCommand } from './commands/bench.ts';
import { certsCommand } from './commands/certs.ts';
import { checkCommand } from './commands/check.ts';
import { demoCommand } from './commands/demo.ts';
import { diagramsCommand } from './commands/diagrams.ts';
import { fuzzCommand } from './commands/fuzz.ts';
import { interopCommand } from './commands/interop.ts';
import { laterCommands } from './commands/later.ts';
import { mutateCommand } from './commands/mutate.ts';
import { nemesisCommand } from './commands/nemesis.ts';
import { nightCommand } from './commands/night.ts';
import { nodeCommand } from './commands/node.ts';
import { simCommand } from './commands/sim.ts';
import { soakCommand } from './commands/soak.ts';
import { sqlCommand } from './commands/sql.ts';
import { stepCommand } from './commands/step.ts';
import { testCommand } from './commands/test.ts';
import { walCommand } from './commands/wal.ts';
import type { Context, MakeCommand } from './context.ts';
import { failureOf, usageError } from './usage.ts';

const makers: readonly MakeCommand[] = [
  demoCommand,
  sqlCommand,
  nodeCommand,
  certsCommand,
  testCommand,
  checkCommand,
  diagramsCommand,
  mutateCommand,
  stepCommand,
  simCommand,
  nemesisCommand,
  nightCommand,
  benchCommand,
  fuzzCommand,
  interopCommand,
  soakCommand,
  walCommand,
  ...laterCommands,
];

/**
 * Runs one command line.
 *
 * @param args without node and the script.
 * @returns the exit code: 0 = every expectation held, 1 = some did not, 2 = wrong usage.
 */
export async function runCli(args: readonly string[], context: Context): Promise<number> {
  let exitCode = 0;
  const done = (code: number): void => {
    exitCode = code;
  };
  const program = new Command('cluster')
    .description(
      'Membership, transport, consensus and routing of a database cluster: the demo, the simulator, the tools.',
    )
    .option('--no-color', 'no colours, as with NO_COLOR in the environment')
    .showSuggestionAfterError(true);
  for (const make of makers) program.addCommand(make(context, done));
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({ writeOut: context.out, writeErr: () => undefined });
  }
  const name = args.find((arg) => program.commands.some((command) => command.name() === arg)) ?? '';
  try {
    if (args.length === 0)
      throw usageError(
        `No command was given; there are ${program.commands.map((one) => one.name()).join(', ')}`,
      );
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    const failure = failureOf(error, name);
    if (failure.line !== '') context.err(`${failure.line}\n`);
    return failure.exitCode;
  }
}
