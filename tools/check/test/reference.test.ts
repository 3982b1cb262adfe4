import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compareGenerated, writeGenerated } from '../src/generated.ts';
import { reference } from '../src/reference.ts';
import { plantedWorkspace } from './planted-workspace.ts';

const configFile = 'packages/swim/src/config.ts';
const config = (fallback: number): string => `import * as z from 'zod';
export const swimConfigSchema = z.strictObject({
  periodMs: z.number().min(1).max(60000).default(${fallback}).meta({ description: 'One probe each.', unit: 'ms', advice: 'Longer on a WAN.' }),
});
export const presets = { lan: {} };
`;

it('the reference tells each setting with type, default, unit, range, meaning and advice', async () => {
  const { root, plant } = plantedWorkspace();
  plant(configFile, config(1000));
  await writeGenerated(root, reference);
  const page = readFileSync(join(root, reference.folder, 'swim.md'), 'utf8');
  for (const part of [
    'swimConfigSchema',
    'periodMs',
    'number',
    '`1000`',
    'unit ms',
    '1 … 60000',
    'One probe each.',
    'Longer on a WAN.',
  ])
    expect(page).toContain(part);
  expect(page).not.toContain('presets');
});

it('a page is stale when the schema says otherwise', async () => {
  const { root, plant } = plantedWorkspace();
  plant(configFile, config(1000));
  await writeGenerated(root, reference);
  expect(await compareGenerated(root, reference)).toEqual([]);
  plant(`${reference.folder}/swim.md`, 'Once upon a time.');
  expect(await compareGenerated(root, reference)).toEqual([
    { file: 'docs/reference/swim.md', problem: 'stale' },
  ]);
});
