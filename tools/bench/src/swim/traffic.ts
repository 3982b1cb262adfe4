/**
 * What a network namespace has sent, by the kernel's own counters: the same account for whoever runs in it.
 *
 * Payload is what is left of the IP bytes without headers. That is exact where TCP has no options after its first segment, nothing is
 * put together behind the counters' back (`PrivateNetwork` sees to both), and nobody sends to a port that is closed, for the system
 * answers that with an error message of its own.
 */
const ipBytes = 20;
const udpBytes = 8;
const tcpBytes = 20;
/** The largest segment that an end takes, told with its SYN. */
const synOptionBytes = 4;

export interface Traffic {
  /** With IP headers: what a link would carry, the link's own headers not counted. */
  readonly wireBytes: number;
  /** Of UDP and TCP together. */
  readonly payloadBytes: number;
  readonly datagrams: number;
  readonly segments: number;
}

export const noTraffic: Traffic = { wireBytes: 0, payloadBytes: 0, datagrams: 0, segments: 0 };

/** @param text the content of `/proc/net/snmp` and `/proc/net/netstat`. */
export function parseTraffic(text: string): Traffic {
  const counters = parseCounters(text);
  const of = (name: string): number => {
    const value = counters.get(name);
    if (value === undefined) throw new Error(`The kernel does not count ${name}.`);
    return value;
  };
  const datagrams = of('Udp.OutDatagrams');
  // What is sent again is not among OutSegs, but its bytes are on the wire.
  const segments = of('Tcp.OutSegs') + of('Tcp.RetransSegs');
  const syns = of('Tcp.ActiveOpens') + of('Tcp.PassiveOpens');
  const wireBytes = of('IpExt.OutOctets');
  const headers = datagrams * (ipBytes + udpBytes) + segments * (ipBytes + tcpBytes) + syns * synOptionBytes;
  return { wireBytes, payloadBytes: wireBytes - headers, datagrams, segments };
}

export const plus = (a: Traffic, b: Traffic): Traffic => combine(a, b, 1);
export const minus = (a: Traffic, b: Traffic): Traffic => combine(a, b, -1);

const combine = (a: Traffic, b: Traffic, sign: 1 | -1): Traffic => ({
  wireBytes: a.wireBytes + sign * b.wireBytes,
  payloadBytes: a.payloadBytes + sign * b.payloadBytes,
  datagrams: a.datagrams + sign * b.datagrams,
  segments: a.segments + sign * b.segments,
});

/** Pairs of lines, names above values: `Udp: InDatagrams …`, `Udp: 17 …`. */
function parseCounters(text: string): ReadonlyMap<string, number> {
  const counters = new Map<string, number>();
  const lines = text.split('\n').filter((line) => line !== '');
  for (let at = 0; at + 1 < lines.length; at += 2) {
    const [table = '', ...names] = (lines[at] as string).split(' ');
    const values = (lines[at + 1] as string).split(' ').slice(1);
    for (const [i, name] of names.entries()) counters.set(`${table.slice(0, -1)}.${name}`, Number(values[i]));
  }
  return counters;
}
