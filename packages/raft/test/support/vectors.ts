import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * The folder of some vectors of etcd-io/raft, or null. They are no part of this repository: they lie beside it, and where they do not
 * their tests are skipped, which is counted with all that is, and said here.
 */
export function vectorFolder(name: string): string | null {
  const folder = fileURLToPath(
    new URL(`../../../../../shared/conformance/etcd-raft/${name}/`, import.meta.url),
  );
  if (existsSync(folder)) return folder;
  console.warn(`the vectors of etcd-io/raft are not in ${folder}: their tests are skipped`);
  return null;
}
