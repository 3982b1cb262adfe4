import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { bundle } from '../src/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'cluster-programs-'));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a bundled program runs without a loader, with CommonJS inside and a module left outside', async () => {
  const outside = join(folder, 'outside.cjs');
  writeFileSync(outside, "exports.where = require('node:path').basename(__filename);");
  writeFileSync(
    join(folder, 'inside.cjs'),
    "exports.name = require('node:path').basename(__filename); exports.eol = require('os').EOL;",
  );
  writeFileSync(
    join(folder, 'program.ts'),
    "import { eol, name } from './inside.cjs'; import { where } from 'elsewhere'; const line: string = [name, where].join(' '); console.log(line + eol);",
  );

  const { greet } = await bundle({
    programs: { greet: join(folder, 'program.ts') },
    outdir: join(folder, 'out'),
    outside: { elsewhere: outside },
  });

  expect(execFileSync(process.execPath, [greet], { encoding: 'utf8' }).trim()).toBe('greet.mjs outside.cjs');
});
