import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { checkImports, type ImportRule, judgeImport } from '../src/import-rules.ts';
import { scanImports } from '../src/import-scan.ts';
import { workspaceRoot } from '../src/workspace.ts';

const judge = (file: string, specifier: string | undefined): ImportRule | undefined => {
  const [kind, name = '', ...rest] = file.split('/');
  return judgeImport({ kind: kind as 'packages', package: name, path: rest.join('/') }, specifier);
};

const broken: [file: string, specifier: string | undefined, rule: ImportRule][] = [
  ['packages/core/src/driver.ts', '@cluster/sim', 'sibling'],
  ['packages/core/test/driver.test.ts', '@cluster/sim', 'sibling'],
  ['packages/sim/src/world.ts', '@cluster/swim', 'sibling'],
  ['packages/swim/src/agent.ts', '@cluster/raft', 'sibling'],
  ['packages/swim/src/agent.ts', '@cluster/sim', 'sibling'],
  ['packages/swim/test/agent.test.ts', '@cluster/transport', 'sibling'],
  ['packages/raft/src/core/log.ts', '@cluster/manager', 'sibling'],
  ['packages/manager/src/manager.ts', '@cluster/swim', 'sibling'],
  ['packages/manager/src/node.ts', '@cluster/swim/node', 'sibling'],
  ['packages/manager/src/adapters/swim.ts', '@cluster/sim', 'sibling'],
  ['packages/raft/src/index.ts', '@cluster/demo', 'package-imports-tool'],
  ['packages/swim/src/agent.ts', '@cluster/swim', 'self-import'],
  ['packages/swim/src/agent.ts', '../../raft/src/index.ts', 'leaves-package'],
  ['packages/swim/test/agent.test.ts', '../../sim/src/index.ts', 'leaves-package'],
  ['tools/demo/src/main.ts', '../../cli/src/main.ts', 'leaves-package'],
  ['tools/demo/src/main.ts', '/etc/x.ts', 'leaves-package'],
  ['tools/demo/src/main.ts', '@cluster/raft/src/index.ts', 'private-entry'],
  ['packages/manager/src/adapters/swim.ts', '@cluster/swim/dist/index.js', 'private-entry'],
  ['packages/swim/src/agent.ts', 'node:dgram', 'builtin-outside-node'],
  ['packages/swim/src/agent.ts', 'fs/promises', 'builtin-outside-node'],
  ['packages/swim/src/nodes.ts', 'node:fs', 'builtin-outside-node'],
  ['packages/swim/src/index.ts', './node.ts', 'node-entry'],
  ['packages/swim/src/core/agent.ts', '../node/udp.ts', 'node-entry'],
  ['packages/swim/src/agent.ts', '@cluster/core/node', 'node-entry'],
  ['packages/manager/src/adapters/swim.ts', '@cluster/swim/node', 'node-entry'],
  ['packages/manager/src/manager.ts', './adapters/node/udp.ts', 'node-entry'],
  ['packages/swim/src/agent.ts', undefined, 'computed-import'],
];

const allowed: [file: string, specifier: string | undefined][] = [
  ['packages/swim/src/core/agent.ts', '@cluster/core'],
  ['packages/swim/src/core/agent.ts', '../config.ts'],
  ['packages/swim/src/core/agent.ts', 'xstate'],
  ['packages/swim/test/agent.test.ts', '@cluster/sim'],
  ['packages/swim/test/readme.test.ts', '@cluster/swim'],
  ['packages/swim/test/agent.test.ts', 'node:fs'],
  ['packages/swim/test/agent.test.ts', '../src/node.ts'],
  ['packages/swim/src/node.ts', 'node:dgram'],
  ['packages/swim/src/node.ts', './node/udp.ts'],
  ['packages/swim/src/node/udp.ts', '@cluster/core/node'],
  ['packages/swim/src/nodes.ts', './node-table.ts'],
  ['packages/manager/src/adapters/swim.ts', '@cluster/swim'],
  ['packages/manager/src/adapters/node/swim.ts', '@cluster/swim/node'],
  ['packages/manager/test/manager.test.ts', '@cluster/raft'],
  ['tools/demo/src/main.ts', '@cluster/manager/node'],
  ['tools/demo/src/main.ts', undefined],
];

describe('import rules', () => {
  it.each(broken)('%s may not import %s (%s)', (file, specifier, rule) => {
    expect(judge(file, specifier)).toBe(rule);
  });

  it.each(allowed)('%s may import %s', (file, specifier) => {
    expect(judge(file, specifier)).toBeUndefined();
  });

  it('see every way to name a module, types included', () => {
    const text = [
      `import a from 'a';`,
      `import type { B } from 'b';`,
      `export * from 'c';`,
      `export { d } from 'd';`,
      `export const e = await import('e');`,
      `export type F = import('f').F;`,
      `import g = require('g');`,
      `const h = require('h');`,
      `const i = process.getBuiltinModule('i');`,
      `import 'j';`,
      `export const k = (name: string) => import(name);`,
      `// import 'no'`,
      `export const text = "import 'no'";`,
    ].join('\n');
    expect(scanImports('x.ts', text).map(({ specifier, line }) => `${line} ${specifier}`)).toEqual(
      '1 a,2 b,3 c,4 d,5 e,6 f,7 g,8 h,9 i,10 j,11 undefined'.split(','),
    );
  });

  it('refuse a file they cannot read', () => {
    expect(() => scanImports('x.ts', 'import {')).toThrow('x.ts');
  });

  it('find a planted breach by file and line', () => {
    const root = mkdtempSync(join(tmpdir(), 'import-rules-'));
    onTestFinished(() => rmSync(root, { recursive: true }));
    const plant = (path: string, text: string): void => {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    };
    plant('packages/swim/package.json', '{}');
    plant('packages/swim/src/core/agent.ts', `\nimport type { Raft } from '@cluster/raft';\n`);
    plant('packages/swim/dist/stale.ts', `import '@cluster/raft';`);
    expect(checkImports(root)).toEqual([
      { file: 'packages/swim/src/core/agent.ts', line: 2, specifier: '@cluster/raft', rule: 'sibling' },
    ]);
  });

  it('hold in this repository', () => {
    expect(checkImports(workspaceRoot())).toEqual([]);
  });
});
