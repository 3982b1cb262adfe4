/**
 * What a schema says of the kinds of its values, for the hash of a codec: fields by name and order, what each holds, whether it may be
 * absent or null. Not the bounds of a value (ranges, lengths, patterns, formats): who has others refuses it, and takes it for nothing else.
 */
import type * as z from 'zod';

interface Def {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly element?: z.ZodType;
  readonly keyType?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly entries?: Readonly<Record<string, unknown>>;
  readonly values?: readonly unknown[];
  readonly parts?: readonly unknown[];
}

export type Signature = string | readonly Signature[];

/** Of a schema that a codec takes. */
export function signatureOf(schema: z.ZodType): Signature {
  const def = schema.def as unknown as Def;
  const { type } = def;
  const parts = [def.innerType, def.element, def.keyType, def.valueType, ...(def.options ?? [])];
  const inner = parts.filter((part) => part !== undefined).map(signatureOf);
  switch (type) {
    case 'object': {
      const { shape } = schema as z.ZodObject;
      return [type, ...Object.entries(shape).map(([name, field]) => [name, signatureOf(field as z.ZodType)])];
    }
    case 'enum':
      return [type, ...Object.values(def.entries ?? {}).map(word)];
    case 'literal':
      return [type, ...(def.values ?? []).map(word)];
    case 'template_literal':
      return [type, ...(def.parts ?? []).map((part) => (isSchema(part) ? signatureOf(part) : word(part)))];
    case 'custom':
      return [type, (schema._zod.bag as { readonly Class?: { readonly name: string } }).Class?.name ?? ''];
    default:
      return [type, ...inner];
  }
}

const isSchema = (part: unknown): part is z.ZodType => typeof part === 'object' && part !== null;

/** A value with its type: 1, "1" and 1n are three. */
const word = (value: unknown): string => `${typeof value} ${String(value)}`;
