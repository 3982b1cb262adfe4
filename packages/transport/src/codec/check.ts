/**
 * A schema as a chain of plain functions: the check of the hot path. zod walks its schema again for each value and builds a result;
 * here the shape is walked once, and what remains for a value is a comparison a field. What has no short form of its own (a pattern, a
 * range, a union) asks zod for that one field. It says yes exactly where the schema does, because the schemas of a codec only
 * look and change nothing: what would change a value, or take one with more in it, is not compiled.
 */
import type * as z from 'zod';
import { ClusterError } from '@cluster/core';

export type Check = (value: unknown) => boolean;

interface Def {
  readonly type: string;
  readonly checks?: readonly unknown[];
  readonly format?: string;
  readonly innerType?: z.ZodType;
  readonly element?: z.ZodType;
  readonly catchall?: z.ZodType;
}

const defOf = (schema: z.ZodType): Def => schema.def;

// What takes a value that is not what comes out.
const changing = new Set([
  'default',
  'prefault',
  'catch',
  'pipe',
  'transform',
  'promise',
  'lazy',
  'readonly',
]);

/** @throws ClusterError `TRANSPORT_CODEC_SCHEMA` for a schema that changes what it takes, or takes unknown fields. */
export function compileCheck(schema: z.ZodType, at: string): Check {
  const def = defOf(schema);
  if (changing.has(def.type)) throw unfit(at, `a ${def.type} changes what comes, or cannot be seen through`);
  if (def.type === 'object') return objectCheck(schema as z.ZodObject, at);
  const bySchema: Check = (value) => schema.safeParse(value).success;
  if (def.type === 'optional' || def.type === 'nullable') {
    const inner = compileCheck(def.innerType as z.ZodType, at);
    const absent = def.type === 'optional' ? undefined : null;
    return (value) => value === absent || inner(value);
  }
  if (def.type === 'array') {
    const element = compileCheck(def.element as z.ZodType, `${at}[]`);
    const isPlain = (def.checks?.length ?? 0) === 0;
    return (value) => {
      if (!Array.isArray(value)) return false;
      for (const one of value) if (!element(one)) return false;
      return isPlain || bySchema(value);
    };
  }
  return leafCheck(def) ?? instanceCheck(schema) ?? bySchema;
}

/** Of `z.instanceof`; null for any other. */
function instanceCheck(schema: z.ZodType): Check | null {
  const { Class } = schema._zod.bag as { readonly Class?: abstract new () => unknown };
  // By its name the engine looks at the class once, and no more at every value.
  if (Class === Uint8Array) return (value) => value instanceof Uint8Array;
  return Class === undefined ? null : (value) => value instanceof Class;
}

/** Null where a short form would not be the whole truth. */
function leafCheck({ type, checks = [], format }: Def): Check | null {
  if (checks.length > 0) return null;
  switch (type) {
    case 'string':
      return format === undefined ? (value) => typeof value === 'string' : null;
    case 'number':
      if (format === 'safeint') return Number.isSafeInteger;
      return format === undefined ? Number.isFinite : null;
    case 'boolean':
      return (value) => typeof value === 'boolean';
    case 'bigint':
      return format === undefined ? (value) => typeof value === 'bigint' : null;
    default:
      return null;
  }
}

function objectCheck(schema: z.ZodObject, at: string): Check {
  const { catchall, checks = [] } = defOf(schema);
  if (catchall === undefined || defOf(catchall).type !== 'never')
    throw unfit(at, 'an object has to be strict: a field that nobody knows is not passed on');
  if (checks.length > 0)
    throw unfit(at, 'a refinement of a whole object has no short form: check it in the handler');
  const fields = Object.keys(schema.shape);
  const tests = fields.map((field) => compileCheck(schema.shape[field] as z.ZodType, `${at}.${field}`));
  const known = new Set(fields);
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    for (let i = 0; i < fields.length; i++) {
      if (!(tests[i] as Check)((value as Record<string, unknown>)[fields[i] as string])) return false;
    }
    // Mostly they stand in the order of the schema.
    let at = 0;
    for (const field in value) if (field !== fields[at++] && !known.has(field)) return false;
    return true;
  };
}

export const unfit = (at: string, why: string): ClusterError =>
  new ClusterError({
    code: 'TRANSPORT_CODEC_SCHEMA',
    fault: 'caller',
    message: `The schema of ${at} cannot be used for a codec: ${why}.`,
    advice: 'Use z.strictObject of plain fields; defaults and transforms belong where the message is made.',
  });
