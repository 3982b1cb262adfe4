import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatValue, runCli, type StepView } from '@cluster/cli';
import { toyTrace } from './toy-trace.ts';

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function cluster(...args: string[]): Promise<Said> {
  let [out, err] = ['', ''];
  const code = await runCli(args, {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    terminal: null,
    colour: false,
  });
  return { code, out, err };
}

const oneLine = /^[A-Z_]+: [^\n]+\. [^\n]+\.\n$/;

let folder = '';
let trace = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cluster-cli-'));
  trace = join(folder, 'toy.cltrace');
  writeFileSync(trace, toyTrace());
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('the command', () => {
  it.each([
    ['an unknown command', ['frobnicate'], 'frobnicate'],
    ['an unknown option', ['demo', '--nods', '3'], '--nods'],
    ['a number out of range', ['demo', '--nodes', '99'], '3 to 9'],
    ['a number that is none', ['demo', '--nodes', '3x'], '3 to 9'],
    ['an argument too many', ['demo', 'twice'], 'argument'],
    ['a missing argument', ['step'], 'trace'],
    ['a missing option', ['sql', 'SELECT 1'], '--cluster'],
    ['no command at all', [], 'demo'],
    ['an unknown benchmark', ['bench', 'abacus'], 'abacus'],
    ['an unknown check', ['check', 'everything'], 'everything'],
    ['an unknown target', ['fuzz', 'abacus'], 'abacus'],
    ['an unknown scenario', ['nemesis', 'earthquake'], 'earthquake'],
    ['an unknown part of a night', ['night', 'dreams'], 'dreams'],
    ['an unknown machine', ['mutate', 'no/such.machine'], 'no/such.machine'],
  ])('answers %s with one line that names it, and exit code 2', async (_, args, named) => {
    const { code, out, err } = await cluster(...args);
    expect(err).toMatch(oneLine);
    expect(err).toContain('CLI_USAGE');
    expect(err).toContain(named);
    expect([code, out]).toEqual([2, '']);
  });

  it.each([
    ['lab', '--port', '1'],
    ['bench', 'balancer'],
    ['bench', 'stepper', 'balancer'],
  ])('says of %s that it comes later, and exits with 2', async (...args) => {
    const { code, out, err } = await cluster(...args);
    expect(err).toMatch(oneLine);
    expect(err).toContain('NOT_AVAILABLE');
    expect(err).toContain('arrives with a later version');
    expect([code, out]).toEqual([2, '']);
  });

  it('has help for itself and for each of its commands, on standard output', async () => {
    const whole = await cluster('--help');
    expect([whole.code, whole.err]).toEqual([0, '']);
    const names = [
      'demo',
      'sql',
      'test',
      'check',
      'diagrams',
      'mutate',
      'step',
      'sim',
      'bench',
      'fuzz',
      'interop',
      'soak',
      'wal',
      'nemesis',
      'night',
      'lab',
    ];
    for (const name of names) {
      expect(whole.out).toContain(`  ${name} `);
      const { code, out, err } = await cluster(name, '--help');
      expect([code, err]).toEqual([0, '']);
      expect(out).toContain(`Usage: cluster ${name}`);
      expect(out.includes('--json')).toBe(name !== 'lab');
    }
  });

  it('prints a benchmark as JSON in its last line, with the table aside', async () => {
    const { code, out, err } = await cluster('bench', 'stepper', '--json', '--rounds', '1');
    expect(err).toContain('role, stepper');
    expect(Object.keys(JSON.parse(out.trimEnd().split('\n').at(-1) ?? '') as object)).toEqual([
      'name',
      'config',
      'rows',
    ]);
    expect(code).toBe(0);
  });

  it('prints what came of hostile bytes as JSON in its last line, with the kinds of frames aside', async () => {
    const { code, out, err } = await cluster('fuzz', 'transport', '--json', '--inputs', '300');
    expect(err).toContain('transport: 300 inputs');
    expect(JSON.parse(out)).toMatchObject({
      inputs: 300,
      rejected: expect.any(Number) as number,
      crashes: 0,
      peakMemoryMb: expect.any(Number) as number,
    });
    expect(code).toBe(0);
  });

  it('prints what came of messages over connections that are cut as JSON, with its progress aside', async () => {
    const args = ['--json', '--messages', '2000', '--reconnects', '3'];
    const { code, out, err } = await cluster('soak', ...args);
    expect(err).not.toBe('');
    expect(JSON.parse(out)).toMatchObject({ ok: true, messages: 2000, lost: 0, deliveredTwice: 0 });
    expect(code).toBe(0);
  });
});

describe('step', () => {
  it('tells first what the trace is, then a line per step', async () => {
    const { code, out, err } = await cluster('step', trace);
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain('steps of n1, n2\ntwo lamps and a moth\nseed 7\n');
    expect(out).toMatch(
      / 3 {2,}5 {2}n1\/lamp:0 {2}ON \{ payload: <3 bytes 0102ff> \} {2}toy\.lamp lamp dark → lit, toy\.moth moth1 resting → circling {2}/,
    );
  });

  it('shows a step whole: state, transition, context, effects, timers, and the machines around', async () => {
    const { code, out } = await cluster('step', trace, '--at', '3');
    expect(code).toBe(0);
    expect(`\n${out}`).toMatchInlineSnapshot(`
      "
      step 3 of 15  seq 3  t 5 ms  n1/lamp:0
      input    ON { payload: <3 bytes 0102ff> }
      cause    none: it came from outside
      leads to seq 4  n2/lamp:0  ON  (0 ms)
               seq 6  n1/lamp:0  TIMER  (+10 ms)

      toy.lamp lamp  dark → lit
        event    ON
        taken    toy.lamp.dark -> toy.lamp.lit
        context  blinks = 1
        actions  shine { blinks: 1 }
                 setTimer xstate.after.rhythm.toy.lamp.lit in 10 ms

      toy.moth moth1  resting → circling
        event    LIGHT
        taken    toy.moth.resting -> toy.moth.circling

      effects
        shine { blinks: 1 }
        wake
        setTimer { timer: lamp/xstate.after.rhythm.toy.lamp.lit, delayMs: 10 }

      timers of n1/lamp:0
        lamp/xstate.after.rhythm.toy.lamp.lit  in 10 ms  at 15
        watch                                  in 95 ms  at 100

      machines of n1
        lamp:0  toy.lamp lamp   lit       in this step
        lamp:0  toy.moth moth1  circling  in this step
      "
    `);
  });

  it('shows the guard of a transition, and the event that a state ignores', async () => {
    const { out } = await cluster('step', trace, '--machine', 'toy.lamp', '--from', '1', '--to', '100');
    expect(out).toContain('toy.lamp.lit -> toy.lamp.dark [isTired]');
    expect(out).toContain('lit → dark');
    expect(out).toContain('none: the event is ignored here');
  });

  it('walks a range, of a node or a machine only', async () => {
    const { out } = await cluster('step', trace, '--node', 'n2', '--from', '4', '--brief');
    const lines = out.trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(2);
    expect(lines.every((line) => line.includes('n2/lamp:0'))).toBe(true);
    const moths = await cluster('step', trace, '--machine', 'moth1', '--brief', '--to', '3');
    expect(moths.out.trimEnd().split('\n').length).toBe(3);
  });

  it('gives the same view forward and back', async () => {
    const views: Said[] = [];
    for (const seq of [2, 3, 4, 3, 2]) views.push(await cluster('step', trace, '--at', String(seq)));
    expect(views[3]).toEqual(views[1]);
    expect(views[4]).toEqual(views[0]);
    expect(new Set(views.map(({ out }) => out)).size).toBe(3);
  });

  it('prints JSON for other tools', async () => {
    const { out } = await cluster('step', trace, '--from', '3', '--to', '4', '--json');
    const { header, steps } = JSON.parse(out) as { header: { seed: number }; steps: StepView[] };
    expect(header.seed).toBe(7);
    expect(steps.map(({ seq }) => seq)).toEqual([3, 4]);
    expect(steps[1]).toMatchObject({ cause: { seq: 3 }, input: { type: 'ON', payload: 'AQL/' } });
  });

  it('refuses what is no trace, in one line', async () => {
    const damaged = join(folder, 'damaged.cltrace');
    const empty = join(folder, 'empty.cltrace');
    writeFileSync(damaged, toyTrace().slice(0, -30));
    writeFileSync(empty, `${toyTrace().split('\n')[0]}\n`);
    for (const file of [damaged, empty, folder, join(folder, 'absent.cltrace')]) {
      const { code, out, err } = await cluster('step', file);
      expect(err).toMatch(oneLine);
      expect(err).toContain('TRACE_UNREADABLE');
      expect([code, out]).toEqual([2, '']);
    }
  });

  it('says what there is when the options match no step', async () => {
    for (const options of [
      ['--at', '9999'],
      ['--node', 'n9'],
      ['--from', '5', '--to', '4'],
    ]) {
      const { code, err } = await cluster('step', trace, ...options);
      expect(err).toMatch(oneLine);
      expect(err).toContain('on the nodes n1, n2');
      expect(code).toBe(2);
    }
  });
});

describe('a value for the eye', () => {
  it('is short, on one line, and cannot command the terminal', () => {
    expect(formatValue({ a: 1, 'b c': [true, null], t: 'two words', n: 1.23456 })).toBe(
      '{ a: 1, "b c": [true, null], t: "two words", n: 1.235 }',
    );
    expect(formatValue(new Uint8Array(20).fill(171))).toBe('<20 bytes abababababababababababab…>');
    expect(formatValue(Array.from({ length: 30 }, (_, i) => i))).toContain('… 18 more]');
    expect(formatValue({ a: { b: { c: { d: { e: 1 } } } } })).toBe('{ a: { b: { c: { d: {1 fields} } } } }');
    expect(formatValue(new Map([['k', new Set([1n])]]))).toBe('Map { k => Set { 1n } }');
    expect(formatValue('\u001b[31m\u009b')).toBe('"\\u001b[31m\\u009b"');
    expect(formatValue('x'.repeat(1000)).length).toBeLessThan(220);
  });
});
