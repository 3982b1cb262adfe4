/**
 * Walks msgpack bytes without building anything, and says what is wrong with them; null when they hold exactly one value made
 * of plain types and known structures.
 *
 * Every length is compared with what is left before anything is skipped, so the work is bounded by the bytes received.
 */
const depthMax = 32;
/** Values still to come at each level of nesting; of one call at a time, and no call leaves anything in it. */
const pending = new Uint32Array(depthMax);

function number(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let i = 0; i < size; i++) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}

/** @param fieldCounts fields of each known structure; `0x40 + i` on the wire. */
export function scanMsgpack(bytes: Uint8Array, fieldCounts: readonly number[]): string | null {
  pending[0] = 1;
  let depth = 1;
  let at = 0;
  const end = bytes.length;
  while (depth > 0) {
    const left = pending[depth - 1] as number;
    if (left === 0) {
      depth--;
      continue;
    }
    pending[depth - 1] = left - 1;
    if (at >= end) return 'it ends early';
    const token = bytes[at++] as number;
    let skip = 0;
    let children = 0;
    if (token < 0x40 || token >= 0xe0) continue;
    if (token < 0x80) {
      const fields = fieldCounts[token - 0x40];
      if (fields === undefined) return 'it uses an unknown structure';
      children = fields;
    } else if (token < 0x90) children = (token - 0x80) * 2;
    else if (token < 0xa0) children = token - 0x90;
    else if (token < 0xc0) skip = token - 0xa0;
    else {
      switch (token) {
        case 0xc0: // nil
        case 0xc2: // false
        case 0xc3: // true
          break;
        case 0xc4: // bin 8
        case 0xd9: // str 8
          skip = number(bytes, at, 1);
          at += 1;
          break;
        case 0xc5: // bin 16
        case 0xda: // str 16
          skip = number(bytes, at, 2);
          at += 2;
          break;
        case 0xc6: // bin 32
        case 0xdb: // str 32
          skip = number(bytes, at, 4);
          at += 4;
          break;
        case 0xcc: // uint 8
        case 0xd0: // int 8
          skip = 1;
          break;
        case 0xcd: // uint 16
        case 0xd1: // int 16
          skip = 2;
          break;
        case 0xca: // float 32
        case 0xce: // uint 32
        case 0xd2: // int 32
          skip = 4;
          break;
        case 0xcb: // float 64
        case 0xcf: // uint 64
        case 0xd3: // int 64
          skip = 8;
          break;
        case 0xdc: // array 16
          children = number(bytes, at, 2);
          at += 2;
          break;
        case 0xdd: // array 32
          children = number(bytes, at, 4);
          at += 4;
          break;
        case 0xde: // map 16
          children = number(bytes, at, 2) * 2;
          at += 2;
          break;
        case 0xdf: // map 32
          children = number(bytes, at, 4) * 2;
          at += 4;
          break;
        case 0xc1:
          return 'it holds the unused type';
        default:
          // 0xc7–0xc9 and 0xd4–0xd8; a structure defined in the stream is one of them.
          return 'it holds an extension type';
      }
    }
    if (at > end || skip > end - at) return 'it ends early';
    at += skip;
    if (children > 0) {
      // Each child takes a byte at least.
      if (children > end - at) return 'it announces more values than it has bytes';
      if (depth >= depthMax) return 'it is nested too deeply';
      pending[depth++] = children;
    }
  }
  return at === end ? null : 'bytes follow its end';
}
