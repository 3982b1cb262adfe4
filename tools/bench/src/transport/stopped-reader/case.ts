/**
 * A reader that stops reading while it is offered far more than anybody may keep: by how much the memory of both sides grows, and
 * whether all of it arrives once the reader goes on. Posts, calls and a stream offer a third each, at the same time.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Remote } from '../../process/remote.ts';
import type { Workplace } from '../../process/workplace.ts';
import type { BenchRow, Expectation } from '../../result.ts';
import { summarize } from '../../statistics.ts';
import type { Listening } from '../contender.ts';
import type { Identities } from '../pair.ts';
import { blockBytes, type Taken, ways } from './ways.ts';

export interface StoppedReaderOptions {
  readonly trials: number;
  readonly offeredBytes: number;
  /** How long nothing is read. */
  readonly stoppedMs: number;
}

export interface StoppedReaderPrograms {
  readonly reader: string;
  readonly sender: string;
}

interface Trial {
  readonly senderBytes: number;
  readonly readerBytes: number;
  readonly recoveredMs: number;
  /** Offered, and not accepted by the transport before the reader went on. */
  readonly heldBack: number;
  readonly missing: number;
  readonly outOfOrder: number;
}

const sampleMs = 20;

export async function stoppedReader(
  place: Workplace,
  programs: StoppedReaderPrograms,
  identities: Identities,
  options: StoppedReaderOptions,
): Promise<{ readonly rows: BenchRow[]; readonly expectations: Expectation[] }> {
  const trials: Trial[] = [];
  for (let i = 0; i < options.trials; i++) trials.push(await trial(place, programs, identities, options));
  const mib = Math.round(options.offeredBytes / 1024 / 1024);
  const row = (what: string, unit: string, read: (one: Trial) => number): BenchRow => {
    const { median, spread } = summarize(trials.map(read));
    return {
      case: `a reader that stops, ${mib} MiB offered: ${what}`,
      unit,
      higherIsBetter: false,
      ours: median,
      limit: null,
      peers: {},
      ratioToLimit: null,
      spread,
    };
  };
  return {
    rows: [
      row("growth of the sender's memory", 'MiB', ({ senderBytes }) => senderBytes / 1024 / 1024),
      row("growth of the reader's memory", 'MiB', ({ readerBytes }) => readerBytes / 1024 / 1024),
      row('time to take it all afterwards', 'ms', ({ recoveredMs }) => recoveredMs),
    ],
    expectations: [
      {
        what: 'a sender is held back while its reader stops',
        held: trials.every(({ heldBack }) => heldBack > 0),
      },
      {
        what: 'when it goes on, everything that was offered arrives, once and in order',
        held: trials.every(({ missing, outOfOrder }) => missing === 0 && outOfOrder === 0),
      },
    ],
  };
}

async function trial(
  place: Workplace,
  { reader: readerProgram, sender: senderProgram }: StoppedReaderPrograms,
  { server, client }: Identities,
  { offeredBytes, stoppedMs }: StoppedReaderOptions,
): Promise<Trial> {
  const nodeFlags = ['--expose-gc'];
  const reader = place.start('reader that stops', readerProgram, [], { core: 0, nodeFlags });
  const sender = place.start('sender', senderProgram, [], { core: 1, nodeFlags });
  const { address } = await reader.call<Listening>('listen', server);
  await sender.call('connect', { place: client, server: address });
  // What is set up once does not count.
  const few = Math.max(...Object.values(blockBytes));
  await offer(sender, few);
  await sender.call('finished');
  const before = {
    sender: await sender.call<number>('settled'),
    reader: await reader.call<number>('settled'),
  };
  const readBefore = sum(await reader.call<Taken>('taken'));
  const acceptedBefore = await sender.call<number>('accepted');

  await reader.call('stop');
  const third = offeredBytes / ways.length;
  await offer(sender, third);
  const peak = { sender: 0, reader: 0 };
  const sample = async (): Promise<void> => {
    peak.sender = Math.max(peak.sender, await sender.call<number>('rss'));
    peak.reader = Math.max(peak.reader, await reader.call<number>('rss'));
  };
  for (const startMs = performance.now(); performance.now() - startMs < stoppedMs; await sleep(sampleMs))
    await sample();
  const accepted = (await sender.call<number>('accepted')) - acceptedBefore;

  const goOnMs = performance.now();
  await reader.call('goOn');
  await sender.call('finished');
  const recoveredMs = performance.now() - goOnMs;
  const taken = await reader.call<Taken>('taken');
  const wanted = ways.reduce((bytes, way) => bytes + Math.ceil(third / blockBytes[way]) * blockBytes[way], 0);
  await Promise.all([reader.kill(), sender.kill()]);
  return {
    senderBytes: peak.sender - before.sender,
    readerBytes: peak.reader - before.reader,
    recoveredMs,
    heldBack: wanted - accepted,
    missing: wanted - (sum(taken) - readBefore),
    outOfOrder: taken.outOfOrder,
  };
}

const offer = (sender: Remote, bytesOfEach: number): Promise<void> => sender.call('offer', bytesOfEach);

const sum = ({ bytes }: Taken): number => ways.reduce((total, way) => total + bytes[way], 0);
