/** Claims as whoever is believed could forge them: incarnations at the ends of their range, versions nobody speaks. */
type Value = number | string | Uint8Array;
type Claim = readonly [type: number, fields: Readonly<Record<string, Value>>];

const [suspect, alive, dead] = [3, 4, 5];
const incarnations = [0, 1 << 25, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];
const versions = [
  [1, 5, 5, 2, 5, 5],
  [255, 255, 255, 255, 255, 255],
  [5, 1, 3, 5, 2, 4],
  [0, 0, 0, 0, 0, 0],
];

export function forgedClaims(members: readonly string[]): Uint8Array[] {
  const claims = members.flatMap((node) =>
    incarnations.flatMap((incarnation): Claim[] => [
      [suspect, { From: 'liar', Incarnation: incarnation, Node: node }],
      [dead, { From: node, Incarnation: incarnation, Node: node }],
      ...versions.map((vsn): Claim => [
        alive,
        {
          Addr: Uint8Array.of(10, 0, 0, 66),
          Incarnation: incarnation,
          Meta: Uint8Array.of(0xff, 0x80),
          Node: node,
          Port: 7946,
          Vsn: Uint8Array.from(vsn),
        },
      ]),
    ]),
  );
  return claims.map(([type, fields]) => {
    const entries = Object.entries(fields);
    const body = entries.flatMap(([name, value]) => [...encode(name), ...encode(value)]);
    return Uint8Array.from([type, 0x80 + entries.length, ...body]);
  });
}

function encode(value: Value): number[] {
  if (typeof value === 'number')
    return [0xce, value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
  const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
  return [0xa0 + bytes.length, ...bytes];
}
