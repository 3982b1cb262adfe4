#!/usr/bin/env node
import { processContext } from './context.ts';
import { runCli } from './program.ts';

// A reader that has seen enough (`| head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(process.exitCode);
});
const args = process.argv.slice(2);
process.exitCode = await runCli(args, processContext(args));
