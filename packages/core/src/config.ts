/** Configuration: one zod schema per package; a bad value becomes one line that names the key and says what to do. */
import * as z from 'zod';
import { ClusterError } from './errors.ts';

/** Notes of a configuration key, read by the reference page: `z.number().default(5).meta({ unit: 'ms', advice: '…' })`. */
export interface ConfigMeta {
  readonly unit?: string;
  /** When to change it, and what it costs. */
  readonly advice?: string;
}

/**
 * @param code the package's error code, e.g. `SWIM_CONFIG_INVALID`.
 * @throws ClusterError with every problem in one line.
 */
export function parseConfig<S extends z.ZodType>(schema: S, input: unknown, code: string): z.output<S> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => {
    const path = issue.path.join('.');
    return path === '' ? issue.message : `${path}: ${issue.message}`;
  });
  throw new ClusterError({
    code,
    fault: 'caller',
    message: `The configuration is not valid: ${problems.join('; ')}.`,
    advice: 'Correct the named keys; the reference page lists each with its default and range.',
    cause: result.error,
  });
}

export interface ConfigEntry {
  readonly key: string;
  readonly type: string;
  readonly default: unknown;
  readonly unit: string;
  readonly range: string;
  readonly description: string;
  readonly advice: string;
}

interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly description?: string;
  readonly unit?: string;
  readonly advice?: string;
}

/** The rows of a package's reference page, from its schema. Nested objects give dotted keys. */
export function describeConfig(schema: z.ZodType): readonly ConfigEntry[] {
  return entries(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema, '');
}

function entries(schema: JsonSchema, prefix: string): ConfigEntry[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const key = `${prefix}${name}`;
    if (property.properties) return entries(property, `${key}.`);
    return [
      {
        key,
        type: typeName(property),
        default: property.default,
        unit: property.unit ?? '',
        range: rangeOf(property),
        description: property.description ?? '',
        advice: property.advice ?? '',
      },
    ];
  });
}

function typeName(schema: JsonSchema): string {
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  if (schema.anyOf) return schema.anyOf.map(typeName).join(' | ');
  if (schema.type === 'array') return `${schema.items ? typeName(schema.items) : 'any'}[]`;
  return typeof schema.type === 'object' ? schema.type.join(' | ') : (schema.type ?? 'any');
}

function rangeOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchema): string {
  const low = bound(minimum, exclusiveMinimum, '>');
  const high = bound(maximum, exclusiveMaximum, '<');
  return low === '' && high === '' ? '' : `${low} … ${high}`.trim();
}

/** Empty for the safe-integer bounds, which zod writes for every integer: they say nothing to a reader. */
function bound(inclusive: number | undefined, exclusive: number | undefined, sign: string): string {
  const value = inclusive ?? exclusive;
  if (value === undefined || Math.abs(value) >= Number.MAX_SAFE_INTEGER) return '';
  return inclusive === undefined ? `${sign}${value}` : String(value);
}
