import { Command } from 'commander';
import type { MakeCommand } from '../context.ts';
import { integer } from '../usage.ts';

interface Options {
  readonly messages: number;
  readonly reconnects: number;
  readonly seed: number;
  readonly json?: boolean;
}

export const soakCommand: MakeCommand = ({ out, err }, done) =>
  new Command('soak')
    .description(
      'the transport over real sockets that are cut again and again: nothing lost, twice, or out of order',
    )
    .option('--messages <n>', 'messages in all', integer(1000, 4_000_000_000), 10_000_000)
    .option('--reconnects <n>', 'how often the connection is cut', integer(1, 1_000_000), 1000)
    .option('--seed <n>', 'where the cuts fall', integer(0, 0xffff_ffff), 1)
    .option('--json', 'end with one line of JSON; all else goes to standard error')
    .action(async ({ json, ...options }: Options) => {
      const { soakTransport } = await import('@cluster/bench');
      const result = await soakTransport(options, (line) => err(`${line}\n`));
      const { ok, messages, reconnects, lost, deliveredTwice, outOfOrder, seconds } = result;
      (json ? err : out)(
        `${messages} messages over ${reconnects} reconnects in ${seconds.toFixed(1)} s: ${lost} lost, ` +
          `${deliveredTwice} delivered twice, ${outOfOrder} out of order.\n`,
      );
      if (json) out(`${JSON.stringify(result)}\n`);
      done(ok ? 0 : 1);
    });
