import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type ConfigEntry, describeConfig } from '@cluster/core';
import type { GeneratedFolder } from './generated.ts';
import { workspacePackages } from './workspace.ts';

type Schema = Parameters<typeof describeConfig>[0];

const isSchema = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && '_zod' in value && 'safeParse' in value;

/** One page per package with the settings of every schema that its `src/config.ts` exports as `...ConfigSchema`. */
export const reference: GeneratedFolder = {
  folder: 'docs/reference',
  extension: '.md',
  async render(root) {
    const files = new Map<string, string>();
    for (const { name, folder } of workspacePackages(root)) {
      const file = join(folder, 'src/config.ts');
      if (!existsSync(file)) continue;
      const exported = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
      const schemas = Object.entries(exported).filter(
        (entry): entry is [string, Schema] => entry[0].endsWith('ConfigSchema') && isSchema(entry[1]),
      );
      if (schemas.length > 0) files.set(`${name}.md`, pageOf(name, schemas));
    }
    return files;
  },
};

function pageOf(name: string, schemas: readonly (readonly [string, Schema])[]): string {
  const parts = schemas
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([title, schema]) => sectionOf(title, schema));
  return `# Configuration of @cluster/${name}\n\nGenerated from the schemas in \`packages/${name}/src/config.ts\` by \`pnpm diagrams\`.\n\n${parts.join('\n')}`;
}

const sectionOf = (title: string, schema: Schema): string =>
  `## ${title}\n\n${describeConfig(schema).map(settingOf).join('\n')}`;

/** Not a table: some texts are long, and a changed line should be the only one that differs. */
function settingOf(entry: ConfigEntry): string {
  const facts = [
    `type ${code(entry.type)}`,
    entry.default === undefined ? '' : `default ${code(JSON.stringify(entry.default))}`,
    entry.unit === '' ? '' : `unit ${entry.unit}`,
    entry.range === '' ? '' : `range ${entry.range}`,
  ];
  const text = [entry.description, entry.advice].filter((part) => part !== '').join(' ');
  return `- **${code(entry.key)}** — ${facts.filter((fact) => fact !== '').join('; ')}.${text === '' ? '' : ` ${text}`}\n`;
}

const code = (text: string): string => `\`${text}\``;
