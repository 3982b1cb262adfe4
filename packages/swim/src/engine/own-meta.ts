/** What this member spreads as its tags, encoded. */
import { type SwimConfig, tagsOf } from '../config.ts';
import { tagReserved, tagsTooLarge } from '../errors.ts';
import { encodeTags, metaBytesMax, metadataTag, sharedBytes, type Tags } from '../wire.ts';

/** @throws ClusterError `SWIM_TAG_RESERVED` or `SWIM_TAGS_TOO_LARGE`. */
export function ownMeta(config: SwimConfig, tags: Tags): Uint8Array {
  if (metadataTag in tags) throw tagReserved(metadataTag);
  const meta = encodeTags(tagsOf(config, tags));
  if (meta.length > metaBytesMax) throw tagsTooLarge(meta.length, metaBytesMax);
  return sharedBytes(meta);
}
