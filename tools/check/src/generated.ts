import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A folder of the docs that is generated from the sources: every file in it with its extension. */
export interface GeneratedFolder {
  /** Below the root. */
  readonly folder: string;
  readonly extension: string;
  /** File name to content. */
  render(root: string): Promise<ReadonlyMap<string, string>>;
}

export interface GeneratedDifference {
  /** Below the root. */
  readonly file: string;
  readonly problem: 'missing' | 'stale' | 'orphaned';
}

/** How the files on disk differ from the sources. */
export async function compareGenerated(
  root: string,
  generated: GeneratedFolder,
): Promise<GeneratedDifference[]> {
  return differences(root, generated, await generated.render(root));
}

/** Writes what differs and removes what nothing asks for. */
export async function writeGenerated(
  root: string,
  generated: GeneratedFolder,
): Promise<GeneratedDifference[]> {
  const wanted = await generated.render(root);
  const found = differences(root, generated, wanted);
  mkdirSync(join(root, generated.folder), { recursive: true });
  for (const { file } of found) {
    const text = wanted.get(file.slice(generated.folder.length + 1));
    if (text === undefined) rmSync(join(root, file));
    else writeFileSync(join(root, file), text);
  }
  return found;
}

function differences(
  root: string,
  { folder, extension }: GeneratedFolder,
  wanted: ReadonlyMap<string, string>,
): GeneratedDifference[] {
  const path = join(root, folder);
  const there = new Set(existsSync(path) ? readdirSync(path).filter((name) => name.endsWith(extension)) : []);
  const found: GeneratedDifference[] = [];
  for (const [name, text] of wanted) {
    const file = `${folder}/${name}`;
    if (!there.has(name)) found.push({ file, problem: 'missing' });
    else if (readFileSync(join(path, name), 'utf8') !== text) found.push({ file, problem: 'stale' });
  }
  for (const name of there)
    if (!wanted.has(name)) found.push({ file: `${folder}/${name}`, problem: 'orphaned' });
  return found;
}
