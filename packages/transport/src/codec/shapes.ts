/**
 * Which objects of a schema are structures, and how a value is written as records of them: fields in the order of the schema, null where an
 * optional one is absent, because msgpack has no word for that. Objects with keys of their own choice (`z.record`) go as maps.
 */
import type * as z from 'zod';
import { unfit } from './check.ts';

/** How a value of a schema is written and read. */
export interface Shape {
  readonly toRecord: (value: unknown) => unknown;
  readonly fromRecord: (value: unknown) => unknown;
}

/** As it is. */
const plain: Shape = { toRecord: (value) => value, fromRecord: (value) => value };

/** The structures of one codec. The position is the number on the wire. */
export class Shapes {
  readonly #fields: (readonly string[])[] = [];

  add(fields: readonly string[]): void {
    const key = fields.join('\n');
    if (!this.#fields.some((known) => known.join('\n') === key)) this.#fields.push(fields);
  }

  structures(): readonly (readonly string[])[] {
    return this.#fields;
  }
}

interface Def {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly element?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly options?: readonly z.ZodType[];
}

/** Values without parts. `custom`: `z.instanceof(Uint8Array)`. */
const leaves = new Set([
  'string',
  'number',
  'boolean',
  'bigint',
  'null',
  'literal',
  'enum',
  'custom',
  'template_literal',
]);

export function shapeOf(schema: z.ZodType, at: string, shapes: Shapes): Shape {
  const def = schema.def as unknown as Def;
  if (leaves.has(def.type)) return plain;
  switch (def.type) {
    case 'object':
      return objectShape(schema as z.ZodObject, at, shapes);
    case 'nullable':
    case 'optional':
      return maybe(shapeOf(def.innerType as z.ZodType, at, shapes));
    case 'array':
      return arrayShape(shapeOf(def.element as z.ZodType, `${at}[]`, shapes));
    case 'record':
      return mapShape(shapeOf(def.valueType as z.ZodType, `${at}{}`, shapes));
    case 'union':
      if (def.options?.every((option) => shapeOf(option, at, new Shapes()) === plain) === true) return plain;
      throw unfit(at, 'a union of objects or lists: make a kind of each');
    default:
      throw unfit(at, `it is not known what a ${def.type} holds`);
  }
}

function maybe(inner: Shape): Shape {
  if (inner === plain) return plain;
  return {
    toRecord: (value) => (value == null ? value : inner.toRecord(value)),
    fromRecord: (value) => (value == null ? value : inner.fromRecord(value)),
  };
}

function arrayShape(element: Shape): Shape {
  if (element === plain) return plain;
  const each = (value: unknown, turn: (item: unknown) => unknown): unknown =>
    Array.isArray(value) ? value.map(turn) : value;
  return {
    toRecord: (value) => each(value, (item) => element.toRecord(item)),
    fromRecord: (value) => each(value, (item) => element.fromRecord(item)),
  };
}

function mapShape(inner: Shape): Shape {
  return {
    toRecord: (value) =>
      new Map(Object.entries(value as object).map(([key, one]) => [key, inner.toRecord(one)])),
    fromRecord: (value) => {
      if (inner === plain || typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, inner.fromRecord(one)]));
    },
  };
}

/** A plain object of these fields as they stand is a record already. */
function isInOrder(value: object, names: readonly string[]): boolean {
  if (value.constructor !== Object) return false;
  let at = 0;
  for (const field in value) if (field !== names[at++]) return false;
  return at === names.length;
}

function objectShape(schema: z.ZodObject, at: string, shapes: Shapes): Shape {
  const names = Object.keys(schema.shape);
  if (names.length === 0) throw unfit(at, 'an object without fields says nothing');
  shapes.add(names);
  const fields = names.map((name) => {
    const field = schema.shape[name] as z.ZodType;
    const isOptional = field.safeParse(undefined).success;
    // Null would stand for both.
    if (isOptional && field.safeParse(null).success)
      throw unfit(`${at}.${name}`, 'a field may be optional or nullable, not both');
    return { name, isOptional, shape: shapeOf(field, `${at}.${name}`, shapes) };
  });
  const changed = fields.filter(({ isOptional, shape }) => isOptional || shape !== plain);
  return {
    toRecord: (value) => {
      if (changed.length === 0 && isInOrder(value as object, names)) return value;
      const record: Record<string, unknown> = {};
      for (const { name, shape } of fields)
        record[name] = shape.toRecord((value as Record<string, unknown>)[name]) ?? null;
      return record;
    },
    fromRecord: (value) => {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
      const object = value as Record<string, unknown>;
      for (const { name, isOptional, shape } of changed) {
        const one = object[name];
        object[name] = isOptional && one === null ? undefined : shape.fromRecord(one);
      }
      return object;
    },
  };
}
