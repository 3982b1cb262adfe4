import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

export interface SubprocessResult {
  readonly ok: boolean;
  /** Standard output and standard error as they came, without colours or surrounding blank lines. */
  readonly output: string;
}

const quiet = { NO_COLOR: '1', TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1', NO_UPDATE_NOTIFIER: '1' };

/** Where the workspace's own copy of a tool is. */
export const toolPath = (root: string, tool: string): string => join(root, 'node_modules/.bin', tool);

/** Runs a tool of the workspace in its root and collects what it says. A tool that cannot start is a failure. */
export function runTool(root: string, tool: string, args: readonly string[]): Promise<SubprocessResult> {
  return new Promise((resolve) => {
    const child = spawn(toolPath(root, tool), args, { cwd: root, env: { ...process.env, ...quiet } });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', (error) => resolve({ ok: false, output: `${tool} did not start: ${error.message}` }));
    child.on('close', (code) =>
      resolve({
        ok: code === 0,
        output: stripVTControlCharacters(Buffer.concat(chunks).toString('utf8')).trim(),
      }),
    );
  });
}
