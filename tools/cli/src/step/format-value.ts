/** Plain data for the eye: one line, no quotes where none are needed, long things cut short. */
const depthMax = 4;
const itemsMax = 12;
const textMax = 200;
const bytesMax = 12;

export function formatValue(value: unknown, depth = 0): string {
  if (typeof value === 'string') return formatText(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : formatNumber(value);
  if (typeof value !== 'object' || value === null) return String(value);
  if (value instanceof Uint8Array) return formatBytes(value);
  if (value instanceof Error)
    return `${(value as { code?: string }).code ?? value.name}: ${formatText(value.message)}`;
  if (value instanceof Map)
    return `Map ${formatList(
      [...value].map(([k, v]) => `${one(k, depth)} => ${one(v, depth)}`),
      '{}',
    )}`;
  if (value instanceof Set)
    return `Set ${formatList(
      [...value].map((item) => one(item, depth)),
      '{}',
    )}`;
  if (Array.isArray(value))
    return depth >= depthMax
      ? `[${value.length} items]`
      : formatList(
          value.map((item) => one(item, depth)),
          '[]',
        );
  return formatFields(value, depth);
}

/** The fields of an object but those named, as `key: value, key: value`; empty when there are none. */
export function formatRest(value: object, ...without: readonly string[]): string {
  const rest = Object.fromEntries(Object.entries(value).filter(([key]) => !without.includes(key)));
  return Object.keys(rest).length === 0 ? '' : formatFields(rest, 0);
}

/** Milliseconds with microseconds where there are any. */
export const formatNumber = (value: number): string =>
  Number.isInteger(value) ? String(value) : String(Number(value.toFixed(3)));

const one = (value: unknown, depth: number): string => formatValue(value, depth + 1);

function formatFields(value: object, depth: number): string {
  const entries = Object.entries(value);
  if (entries.length === 0) return '{}';
  if (depth >= depthMax) return `{${entries.length} fields}`;
  return formatList(
    entries.map(([key, inner]) => `${formatKey(key)}: ${one(inner, depth)}`),
    '{}',
  );
}

function formatList(items: readonly string[], [open, close]: string): string {
  const shown = items.slice(0, itemsMax);
  const more = items.length > itemsMax ? [`… ${items.length - itemsMax} more`] : [];
  const pad = open === '{' && items.length > 0 ? ' ' : '';
  return `${open}${pad}${[...shown, ...more].join(', ')}${pad}${close}`;
}

const formatKey = (key: string): string => (/^[\w$-]+$/.test(key) ? key : JSON.stringify(key));

function formatText(text: string): string {
  const short = text.length > textMax ? `${text.slice(0, textMax)}…` : text;
  return /^[\w.:/@+-]+$/.test(short) ? short : printable(JSON.stringify(short));
}

/** Control characters beyond those that JSON escapes would be obeyed by the terminal. */
const printable = (text: string): string =>
  text.replace(/[\u007f-\u009f\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

function formatBytes(bytes: Uint8Array): string {
  const hex = [...bytes.subarray(0, bytesMax)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return `<${bytes.length} bytes${bytes.length === 0 ? '' : ` ${hex}${bytes.length > bytesMax ? '…' : ''}`}>`;
}
