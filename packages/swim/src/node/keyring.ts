/** memberlist's AES-GCM envelope: version, nonce, ciphertext, tag. The first key seals; every key opens. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { bytesEqual } from '../core/messages.ts';
import { keyInvalid } from '../errors.ts';
import type { Keys, PacketCipher } from '../ports.ts';

const nonceBytes = 12;
const tagBytes = 16;
const headBytes = 1 + nonceBytes;
// Version 0 pads the plain text as PKCS7 for peers of protocol 1; version 1 does not.
const versionPadded = 0;
const versionPlain = 1;
const blockBytes = 16;

const algorithms = { 16: 'aes-128-gcm', 24: 'aes-192-gcm', 32: 'aes-256-gcm' } as const;

interface Key {
  readonly bytes: Uint8Array;
  readonly algorithm: (typeof algorithms)[keyof typeof algorithms];
}

/** @throws ClusterError `SWIM_KEY_INVALID`, without showing the key. */
export function keyring(base64Keys: readonly string[]): PacketCipher & { readonly keys: Keys } {
  const keys = base64Keys.map(parseKey);
  if (keys.length === 0) throw keyInvalid(0, 'is missing');
  return {
    overheadBytes: headBytes + tagBytes,
    keys: changeable(keys),
    seal: (plain, aad) => seal(keys[0] as Key, plain, aad),
    open(sealed, aad) {
      const version = sealed[0];
      if (sealed.length < headBytes + tagBytes || (version !== versionPadded && version !== versionPlain))
        return null;
      for (const key of keys) {
        const plain = open(key, sealed, aad);
        if (plain !== null) return version === versionPadded ? unpad(plain) : plain;
      }
      return null;
    },
  };
}

const keysMax = 16;

/** The first of the list seals, so using another means moving it to the front. */
function changeable(keys: Key[]): Keys {
  const find = (bytes: Uint8Array): number => keys.findIndex((key) => bytesEqual(key.bytes, bytes));
  return {
    list: () => keys.map(({ bytes }) => bytes),
    install(bytes) {
      const algorithm = algorithms[bytes.length as keyof typeof algorithms];
      if (algorithm === undefined) return 'key size must be 16, 24 or 32 bytes';
      if (find(bytes) !== -1) return null;
      if (keys.length >= keysMax) return `there are ${keysMax} keys already`;
      keys.push({ bytes, algorithm });
      return null;
    },
    use(bytes) {
      const at = find(bytes);
      if (at === -1) return 'requested key is not in the keyring';
      keys.unshift(...keys.splice(at, 1));
      return null;
    },
    remove(bytes) {
      const at = find(bytes);
      if (at === 0) return 'removing the primary key is not allowed';
      if (at > 0) keys.splice(at, 1);
      return null;
    },
  };
}

function parseKey(text: string, index: number): Key {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) throw keyInvalid(index, 'is not base64');
  const bytes = new Uint8Array(Buffer.from(text, 'base64'));
  const algorithm = algorithms[bytes.length as keyof typeof algorithms];
  if (algorithm === undefined) throw keyInvalid(index, `has ${bytes.length} bytes`);
  return { bytes, algorithm };
}

function seal({ bytes, algorithm }: Key, plain: Uint8Array, aad: Uint8Array): Uint8Array {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(algorithm, bytes, nonce).setAAD(aad);
  const body = cipher.update(plain);
  cipher.final();
  const sealed = new Uint8Array(headBytes + body.length + tagBytes);
  sealed[0] = versionPlain;
  sealed.set(nonce, 1);
  sealed.set(body, headBytes);
  sealed.set(cipher.getAuthTag(), headBytes + body.length);
  return sealed;
}

function open({ bytes, algorithm }: Key, sealed: Uint8Array, aad: Uint8Array): Uint8Array | null {
  const tagAt = sealed.length - tagBytes;
  const decipher = createDecipheriv(algorithm, bytes, sealed.subarray(1, headBytes), {
    authTagLength: tagBytes,
  })
    .setAAD(aad)
    .setAuthTag(sealed.subarray(tagAt));
  const plain = decipher.update(sealed.subarray(headBytes, tagAt));
  try {
    decipher.final();
  } catch {
    return null;
  }
  return new Uint8Array(plain.buffer, plain.byteOffset, plain.length);
}

function unpad(plain: Uint8Array): Uint8Array | null {
  const count = plain.at(-1) ?? 0;
  return count < 1 || count > blockBytes || count > plain.length
    ? null
    : plain.subarray(0, plain.length - count);
}
