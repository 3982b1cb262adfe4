import type { GeneratedFolder } from './generated.ts';
import { exportedMachines } from './machines.ts';
import { mermaidOf } from './mermaid.ts';

/** One Mermaid file per exported machine. A machine `swim.probe` of swim is `swim.probe.mmd`. */
export const diagrams: GeneratedFolder = {
  folder: 'docs/diagrams',
  extension: '.mmd',
  async render(root) {
    const files = new Map<string, string>();
    for (const { package: name, machine } of await exportedMachines(root)) {
      const id = machine.id.startsWith(`${name}.`) ? machine.id.slice(name.length + 1) : machine.id;
      const file = `${name}.${id}.mmd`;
      if (files.has(file))
        throw new Error(`Two machines of ${name} want the diagram ${file}: give them other ids.`);
      files.set(file, mermaidOf(machine));
    }
    return files;
  },
};
