import { describe, expect, it } from 'vitest';
import {
  decodeTrace,
  Driver,
  encodeTrace,
  ListRecorder,
  replay,
  RingRecorder,
  type TraceCheckpoint,
  type TraceHeader,
  Tracer,
  type TraceRecord,
  type TraceSink,
  type TraceStep,
} from '@cluster/core';
import { LampCore, type LampEffect, type LampInput } from './toy.ts';
import { VirtualClock } from './virtual-clock.ts';

const header: TraceHeader = {
  kind: 'header',
  format: 'cluster-trace',
  version: 1,
  versions: { '@cluster/core': '0.0.0' },
  config: { lamp: { seed: 1 } },
  seed: 1,
};

/** Two lamps for a second: the first greets the second, which lights up within the same step. */
function record(
  sink: TraceSink,
  untilMs = 1000,
  checkpointEvery = 16,
  checkpointBytesMax = Infinity,
): { clock: VirtualClock; states: () => string[] } {
  const clock = new VirtualClock();
  const tracer = new Tracer({ sink, checkpointEvery, checkpointBytesMax });
  const lamp = (
    node: string,
    seed: number,
    greet: () => void,
  ): { core: LampCore; driver: Driver<LampInput, LampEffect> } => {
    const core = new LampCore(seed);
    const execute = ({ type }: LampEffect): void => {
      if (type === 'greet') greet();
    };
    const onBug = (error: unknown): never => {
      throw error;
    };
    return { core, driver: new Driver({ node, name: 'lamp', core, clock, execute, onBug, tracer }) };
  };
  const second = lamp('n2', 2, () => undefined);
  const first = lamp('n1', 1, () => second.driver.dispatch({ type: 'ON' }));
  for (const { driver } of [first, second]) driver.dispatch({ type: 'START' });
  first.driver.dispatch({ type: 'ON' });
  clock.runUntil(untilMs);
  return { clock, states: () => [first.core.state, second.core.state] };
}

function recorded(): TraceRecord[] {
  const recorder = new ListRecorder();
  record(recorder);
  return [header, ...recorder.records];
}

const stepsOf = (records: readonly TraceRecord[]): TraceStep[] =>
  records.filter((one): one is TraceStep => one.kind === 'step');
const makeLamp = (seed: number, shift?: number) => (): LampCore => new LampCore(seed, shift);

describe('a trace', () => {
  it('holds what each machine did: event, states, transition, context difference, actions', () => {
    const light = stepsOf(recorded()).find(({ node, input }) => node === 'n1' && input.type === 'ON');
    expect(light?.machines).toMatchObject([
      {
        machine: 'toy.lamp',
        instance: 'lamp',
        event: { type: 'ON' },
        from: 'dark',
        to: 'lit',
        taken: ['toy.lamp.dark -> toy.lamp.lit'],
        context: { blinks: 1 },
        actions: [
          { type: 'shine', params: { blinks: 1 } },
          { kind: 'setTimer', id: expect.stringContaining('rhythm') },
        ],
      },
    ]);
  });

  it('comes back from its text in the order in which the steps began', () => {
    const records = recorded();
    const { header: head, records: read } = decodeTrace(encodeTrace(records));
    expect(head).toEqual(header);
    expect(read.length).toBe(records.length - 1);
    expect(stepsOf(read)).toEqual(stepsOf(records).toSorted((a, b) => a.seq - b.seq));
    // The second lamp's step ended before the greeting's, within which it ran.
    expect(stepsOf(records).map(({ seq }) => seq)).not.toEqual(stepsOf(read).map(({ seq }) => seq));
    const greeted = stepsOf(read).find(({ node, input }) => node === 'n2' && input.type === 'ON');
    const greeting = stepsOf(read).find(({ seq }) => seq === greeted?.cause);
    expect(greeting?.effects).toContainEqual({ type: 'greet' });
  });

  it('replays without a difference, from its text too, and to the same state', () => {
    const { records } = decodeTrace(encodeTrace(recorded()));
    for (const [node, seed] of [
      ['n1', 1],
      ['n2', 2],
    ] as const) {
      const result = replay(records, node, 'lamp', makeLamp(seed));
      expect(result.divergence).toBeNull();
      expect(result.steps).toBe(stepsOf(records).filter((step) => step.node === node).length);
      expect(result.steps).toBeGreaterThan(40);
    }
  });

  it('checkpoints a core no more once that has taken too many bytes, and records on', () => {
    const recorder = new ListRecorder();
    record(recorder, 1000, 16, 1);
    const mine = recorder.records.filter(({ node }) => node === 'n1');
    expect(mine.filter(({ kind }) => kind === 'checkpoint')).toHaveLength(1);
    expect(stepsOf(mine).length).toBeGreaterThan(40);
    expect(replay(recorder.records, 'n1', 'lamp', makeLamp(1)).divergence).toBeNull();
  });

  it('replays from a later checkpoint and up to any step', () => {
    const records = recorded();
    const checkpoints = records.filter(
      (one): one is TraceCheckpoint => one.kind === 'checkpoint' && one.node === 'n1',
    );
    expect(checkpoints.length).toBeGreaterThan(2);
    const [, , later] = checkpoints;
    const from = records.indexOf(later as TraceCheckpoint);
    const tail = replay(records.slice(from), 'n1', 'lamp', makeLamp(1));
    expect([tail.divergence, tail.core.checkpoint()]).toEqual([
      null,
      replay(records, 'n1', 'lamp', makeLamp(1)).core.checkpoint(),
    ]);
    expect(replay(records, 'n1', 'lamp', makeLamp(1), 1).core.state).toBe('dark');
    expect(replay(records, 'n1', 'lamp', makeLamp(1), 3).core.state).toBe('lit');
  });

  it('shows the first step at which another core does otherwise', () => {
    const { divergence, steps } = replay(recorded(), 'n1', 'lamp', makeLamp(1, 5));
    expect(steps).toBe(2);
    expect(divergence?.seq).toBe(3);
    expect(divergence?.recorded).not.toEqual(divergence?.replayed);
  });

  it('says when there is nothing to replay from', () => {
    const noCheckpoint = expect.objectContaining({ code: 'TRACE_NO_CHECKPOINT' }) as Error;
    expect(() => replay(recorded(), 'n9', 'lamp', makeLamp(1))).toThrow(noCheckpoint);
    expect(() => replay(stepsOf(recorded()), 'n1', 'lamp', makeLamp(1))).toThrow(noCheckpoint);
  });

  const good = encodeTrace(recorded());
  const lines = good.split('\n');
  const damage: readonly (readonly [string, string, string])[] = [
    ['nothing', '', 'line 1'],
    ['another file', 'hello\n', 'line 1'],
    ['JSON that is no header', '{"kind":"step"}\n', 'line 1'],
    ['a later version', good.replace('"version":1', '"version":2'), 'line 1: version'],
    ['a cut end', good.slice(0, -20), `line ${lines.length - 1}`],
    ['a line that is no record', [lines[0], '5', ...lines.slice(1)].join('\n'), 'line 2'],
    ['a record of no kind', [lines[0], '{"kind":"hat"}'].join('\n'), 'line 2: kind'],
    ['a step without a node', [lines[0], lines[1]?.replace('"node":"n2",', '')].join('\n'), 'line 2: node'],
    [
      'a state that is no base64',
      [lines[0], lines[1]?.replace('"$bytes":"', '"$bytes":"!')].join('\n'),
      'line 2',
    ],
    ['a bigint that is none', [lines[0], '{"$bigint":{}}'].join('\n'), 'line 2'],
  ];
  it.each(damage)('that is %s is refused in one line that names the place', (_, text, place) => {
    expect(() => decodeTrace(text)).toThrow(
      expect.objectContaining({
        code: 'TRACE_UNREADABLE',
        fault: 'caller',
        message: expect.stringContaining(place) as string,
      }),
    );
  });
});

describe('the ring recorder', () => {
  it('keeps the last records in bounded memory and counts the rest', () => {
    const ring = new RingRecorder(50);
    const list = new ListRecorder();
    record({ record: (one) => [ring, list].forEach((sink) => sink.record(one)) });
    const [head, ...kept] = ring.dump(header);
    expect(head).toBe(header);
    expect(kept.slice(-50)).toEqual(list.records.slice(-50));
    expect(kept.length).toBeLessThanOrEqual(52);
    expect(ring.dropped).toBe(list.records.length - 50);
  });

  it('keeps the checkpoint of a core that has rested since, so that its steps can be replayed', () => {
    const ring = new RingRecorder(20);
    const tracer = new Tracer({ sink: ring });
    const clock = new VirtualClock();
    const lamp = (node: string): Driver<LampInput, LampEffect> =>
      new Driver({
        node,
        name: 'lamp',
        core: new LampCore(1),
        clock,
        execute: () => undefined,
        onBug: () => undefined,
        tracer,
      });
    const [resting, busy] = [lamp('n1'), lamp('n2')];
    busy.dispatch({ type: 'START' });
    for (let i = 0; i < 50; i++) busy.dispatch({ type: 'OFF' });
    resting.dispatch({ type: 'START' });
    const dumped = [...ring.dump(header)];
    expect(dumped.filter((one) => one.kind === 'checkpoint').map(({ node }) => node)).toEqual(['n1']);
    expect(replay(dumped, 'n1', 'lamp', makeLamp(1))).toMatchObject({ steps: 1, divergence: null });
  });

  it.each([1, 2, 3, 7, 20, 33, 50, 51, 64, 100, 1000])(
    'of %i records dumps only what can be replayed without a difference',
    (capacity) => {
      for (let untilMs = 100; untilMs <= 1000; untilMs += 90) {
        const ring = new RingRecorder(capacity);
        record(ring, untilMs);
        const { records } = decodeTrace(encodeTrace(ring.dump(header)));
        for (const [node, seed] of [
          ['n1', 1],
          ['n2', 2],
        ] as const) {
          if (!records.some((one) => one.kind === 'checkpoint' && one.node === node)) continue;
          expect(replay(records, node, 'lamp', makeLamp(seed)).divergence).toBeNull();
        }
      }
    },
  );
});

it('a ring stays bounded when cores come and go without a step', () => {
  const ring = new RingRecorder(16);
  for (let i = 0; i < 1000; i++) {
    const gone = {
      kind: 'checkpoint',
      seq: 0,
      t: i,
      node: 'n1',
      core: `connection:${i}`,
      begins: true,
    } as const;
    ring.record({ ...gone, state: new Uint8Array(), timers: [] });
  }
  expect([...ring.dump(header)].length).toBeLessThanOrEqual(1 + 2 * 16);
});

it('a driver that resumes from a trace goes on as the recorded one did', () => {
  const whole = new ListRecorder();
  record(whole, 1000);
  const cut = new ListRecorder();
  record(cut, 480);
  const last = cut.records.findLast(
    (one): one is TraceCheckpoint => one.kind === 'checkpoint' && one.node === 'n1',
  );
  const resumed = new ListRecorder();
  const later = new VirtualClock(last?.t);
  const driver = new Driver<LampInput, LampEffect>({
    node: 'n1',
    name: 'lamp',
    core: new LampCore(999),
    clock: later,
    execute: () => undefined,
    onBug: () => undefined,
    tracer: new Tracer({ sink: resumed }),
  });
  driver.resume(last as TraceCheckpoint);
  later.runUntil(1000);
  const did = (records: readonly TraceRecord[]): unknown[] =>
    stepsOf(records)
      .filter(({ node, t }) => node === 'n1' && t > (last?.t ?? 0))
      .map(({ t, input, effects }) => [t, input, effects]);
  expect(did(resumed.records)).toEqual(did(whole.records));
  expect(did(resumed.records).length).toBeGreaterThan(20);
});
