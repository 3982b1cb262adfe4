/** Proposals on their way to a leader elsewhere. */
import { entryBytes } from './log.ts';
import type { ForwardedDraft } from './messages.ts';

/** Drafts as they are sent: of at most so many bytes together, but at least one. */
export function* inMessages(
  proposals: readonly ForwardedDraft[],
  bytesMax: number,
): Generator<readonly ForwardedDraft[]> {
  let drafts: ForwardedDraft[] = [];
  let bytes = 0;
  for (const { ref, kind, session, command } of proposals) {
    const size = entryBytes({ command });
    if (drafts.length > 0 && bytes + size > bytesMax) {
      yield drafts;
      drafts = [];
      bytes = 0;
    }
    drafts.push({ ref, kind, session, command });
    bytes += size;
  }
  if (drafts.length > 0) yield drafts;
}
