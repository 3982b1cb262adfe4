/** RFC 4648 base64 without a platform's API, so that a browser and a core may use it. */
import { ClusterError } from './errors.ts';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const codes = new Uint8Array(128).fill(255);
for (let i = 0; i < 64; i++) codes[alphabet.charCodeAt(i)] = i;

export function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const [a, b, c] = [bytes[i] as number, bytes[i + 1], bytes[i + 2]];
    text += alphabet.charAt(a >> 2) + alphabet.charAt(((a & 3) << 4) | ((b ?? 0) >> 4));
    text += b === undefined ? '=' : alphabet.charAt(((b & 15) << 2) | ((c ?? 0) >> 6));
    text += c === undefined ? '=' : alphabet.charAt(c & 63);
  }
  return text;
}

/** @throws ClusterError `CORE_BASE64_INVALID` for a foreign character, wrong padding or a wrong length. */
export function fromBase64(text: string): Uint8Array {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const digits = text.length - padding;
  if (text.length % 4 !== 0) throw invalid(`its length ${text.length} is no multiple of four`);
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let word = 0;
  let at = 0;
  for (let i = 0; i < digits; i++) {
    const code = codes[text.charCodeAt(i)] ?? 255;
    if (code === 255) throw invalid(`the character at ${i} is not of its alphabet`);
    word = ((word << 6) | code) & 0xff_ffff;
    const bits = (i % 4) * 6 + 6;
    if (bits >= 8 && i % 4 > 0) bytes[at++] = (word >> (bits % 8)) & 255;
  }
  return bytes;
}

const invalid = (why: string): ClusterError =>
  new ClusterError({
    code: 'CORE_BASE64_INVALID',
    fault: 'caller',
    message: `The text is not base64: ${why}.`,
    advice: 'Give standard base64 (A-Z a-z 0-9 + /) with its padding.',
  });
