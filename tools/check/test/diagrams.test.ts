import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { diagrams } from '../src/diagrams.ts';
import { compareGenerated, writeGenerated } from '../src/generated.ts';
import { mermaidOf } from '../src/mermaid.ts';
import { everything } from './fixture-machines.ts';
import { plantedWorkspace } from './planted-workspace.ts';

const machine = (id: string, description: string): string =>
  `export const ${id.replace('.', '_')} = createMachine({ id: '${id}', initial: 'a', states: { a: { description: '${description}' } } });\n`;
const machinesFile = 'packages/swim/src/machines.ts';
const xstate = `import { createMachine } from 'xstate';\n`;

describe('diagrams', () => {
  it('show states, descriptions, guards, actions, delays, regions and what every state does', async () => {
    await expect(mermaidOf(everything)).toMatchFileSnapshot('everything.mmd');
  });

  it('are the same bytes each time', () => {
    expect(mermaidOf(everything)).toBe(mermaidOf(everything));
  });

  it('are written, and then are as the machines are', async () => {
    const { root, plant } = plantedWorkspace();
    plant(machinesFile, xstate + machine('swim.probe', 'waits') + machine('member', 'lives'));
    expect(await compareGenerated(root, diagrams)).toEqual([
      { file: 'docs/diagrams/swim.member.mmd', problem: 'missing' },
      { file: 'docs/diagrams/swim.probe.mmd', problem: 'missing' },
    ]);
    await writeGenerated(root, diagrams);
    expect(await compareGenerated(root, diagrams)).toEqual([]);
    expect(readFileSync(join(root, diagrams.folder, 'swim.probe.mmd'), 'utf8')).toContain('waits');
  });

  it('are stale when the machine says otherwise, and orphaned when it is gone', async () => {
    const { root, plant } = plantedWorkspace();
    plant(machinesFile, xstate + machine('probe', 'waits'));
    plant(join(diagrams.folder, 'swim.probe.mmd'), 'stateDiagram-v2\n');
    plant(join(diagrams.folder, 'swim.gone.mmd'), 'stateDiagram-v2\n');
    expect(await writeGenerated(root, diagrams)).toEqual([
      { file: 'docs/diagrams/swim.probe.mmd', problem: 'stale' },
      { file: 'docs/diagrams/swim.gone.mmd', problem: 'orphaned' },
    ]);
    expect(readdirSync(join(root, diagrams.folder))).toEqual(['swim.probe.mmd']);
    expect(await compareGenerated(root, diagrams)).toEqual([]);
  });

  it('name the file of a machine that does not load', async () => {
    const { root, plant } = plantedWorkspace();
    plant(
      machinesFile,
      xstate + machine('probe', 'waits').replace('{ description', "{ on: { GO: 'nowhere' }, description"),
    );
    await expect(compareGenerated(root, diagrams)).rejects.toThrow('src/machines.ts does not load');
  });

  it('refuse two machines with one name', async () => {
    const { root, plant } = plantedWorkspace();
    plant(machinesFile, xstate + machine('probe', 'a') + machine('swim.probe', 'b'));
    await expect(compareGenerated(root, diagrams)).rejects.toThrow('swim.probe.mmd');
  });
});
