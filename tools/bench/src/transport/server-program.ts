/** The serving process: takes messages, counts them, answers requests. One contender a process. */
import { settledBytes } from '../process/memory.ts';
import { serveParent } from '../process/remote.ts';
import { contender } from './contenders/index.ts';
import type { Listening, Place } from './contender.ts';
import { decode, encode, kinds } from './message.ts';

let posts = 0;

/** An answer says how many posts have come before it since the last one that was asked for. */
function receive(bytes: Uint8Array, copiedMax: number): Uint8Array | null {
  const { t, id, k, p } = decode(bytes);
  if (t === kinds.post) {
    posts++;
    return null;
  }
  const counted = k === 'count';
  const answer = encode(
    {
      t: kinds.reply,
      id,
      k: counted ? String(posts) : k,
      p: t === kinds.request && !counted ? p : p.subarray(0, 0),
    },
    copiedMax,
  );
  if (counted) posts = 0;
  return answer;
}

serveParent({
  listen: async (place: Place): Promise<Listening> => {
    const chosen = await contender(process.argv[2] ?? '');
    return await chosen.listen(place, (bytes) => receive(bytes, chosen.copiedMax));
  },
  memory: settledBytes,
});
