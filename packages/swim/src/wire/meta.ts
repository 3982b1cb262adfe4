/** Tags in a member's Meta, as Serf keeps them: 0xFF, then a msgpack map of text to text; any other Meta is a bare role. */
import { noBytes } from '../core/messages.ts';
import { Reader, textOf, Writer } from './msgpack.ts';
import { WireError } from './wire-error.ts';

export type Tags = Readonly<Record<string, string>>;

/** memberlist's limit for Meta. */
export const metaBytesMax = 512;
const tagsMagic = 0xff;

/** The tag by which our nodes know those that exchange metadata: four bytes, and the version of what they speak. */
export const metadataTag = '~';
export const metadataTagValue = '1';

export function encodeTags(tags: Tags): Uint8Array {
  const entries = Object.entries(tags).sort(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length === 0) return noBytes;
  const writer = new Writer().u8(tagsMagic).map(entries.length);
  for (const [key, value] of entries) writer.key(key).text(value);
  return writer.take();
}

/** The tags; none when the Meta does not hold what it should, since Meta is relayed unread. */
export function decodeTags(meta: Uint8Array): Tags {
  try {
    if (meta.length === 0) return {};
    if (meta[0] !== tagsMagic) return { role: textOf(meta) };
    const tags: [string, string][] = [];
    for (const [key, value] of new Reader(meta, 1, metaBytesMax).map()) {
      if (value instanceof Uint8Array) tags.push([key, textOf(value)]);
    }
    return Object.fromEntries(tags);
  } catch (error) {
    if (error instanceof WireError) return {};
    throw error;
  }
}
