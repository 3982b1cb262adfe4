import { type Argument, type Expression, parseSync, Visitor } from 'oxc-parser';

/** A module named by a source file. `specifier` is undefined where the file computes it at run time. */
export interface ImportSite {
  readonly specifier: string | undefined;
  readonly line: number;
}

const literal = (node: Argument | Expression | undefined): string | undefined =>
  node?.type === 'Literal' && typeof node.value === 'string' ? node.value : undefined;

/**
 * Every module a file names: imports, re-exports, `import()`, `import('x').T`, `import x = require('x')`, `require('x')`
 * and `process.getBuiltinModule('x')`. Types count: a type of a sibling is knowledge of a sibling.
 */
export function scanImports(file: string, text: string): ImportSite[] {
  const { program, errors } = parseSync(file, text);
  const [broken] = errors;
  if (broken !== undefined) throw new SyntaxError(`${file}: ${broken.message}`);
  const found: { specifier: string | undefined; start: number }[] = [];
  const add = (specifier: string | undefined, start: number): void => void found.push({ specifier, start });
  new Visitor({
    ImportDeclaration: (node) => add(node.source.value, node.start),
    ExportAllDeclaration: (node) => add(node.source.value, node.start),
    ExportNamedDeclaration: (node) => {
      if (node.source !== null) add(node.source.value, node.start);
    },
    ImportExpression: (node) => add(literal(node.source), node.start),
    TSImportType: (node) => add(node.source.value, node.start),
    TSExternalModuleReference: (node) => add(node.expression.value, node.start),
    CallExpression: (node) => {
      const name = node.callee.type === 'Identifier' ? node.callee.name : undefined;
      const member =
        node.callee.type === 'MemberExpression' && node.callee.property.type === 'Identifier'
          ? node.callee.property.name
          : undefined;
      if (name === 'require' || member === 'getBuiltinModule') add(literal(node.arguments[0]), node.start);
    },
  }).visit(program);
  return found
    .toSorted((a, b) => a.start - b.start)
    .map(({ specifier, start }) => ({ specifier, line: text.slice(0, start).split('\n').length }));
}
