/** The terminal of the interactive stepper: an alternate screen that is left as it was found, whatever happens. */
import type { ReadStream, WriteStream } from 'node:tty';
import { readKeys } from './keys.ts';
import type { StepperScreen } from './stepper-screen.ts';

const enter = '\u001b[?1049h\u001b[?25l';
const leave = '\u001b[?25h\u001b[?1049l';

/** Runs until the reader quits or the input ends. */
export function runTerminal(screen: StepperScreen, input: ReadStream, output: WriteStream): Promise<void> {
  return new Promise((resolve) => {
    const draw = (): void => {
      const { lines, footer } = screen.render(output.rows);
      const body = lines.map((line) => `${clip(line, output.columns)}\u001b[K`);
      const gap = Array.from({ length: Math.max(0, output.rows - 1 - body.length) }, () => '\u001b[K');
      const foot = `\u001b[7m${clip(footer, output.columns).padEnd(output.columns)}\u001b[0m`;
      output.write(`\u001b[H${[...body, ...gap, foot].join('\r\n')}`);
    };
    const restore = (): void => {
      input.setRawMode(false);
      output.write(leave);
    };
    const end = (): void => {
      input.off('data', onData).off('end', end).pause();
      output.off('resize', draw);
      process.off('exit', restore);
      restore();
      resolve();
    };
    const onData = (data: string): void => {
      for (const key of readKeys(data)) {
        screen.press(key);
        if (screen.quit) return end();
      }
      draw();
    };
    process.on('exit', restore);
    input.setRawMode(true);
    input.setEncoding('utf8').on('data', onData).on('end', end).resume();
    output.on('resize', draw);
    output.write(enter);
    draw();
  });
}

/** At most `columns` wide; colour sequences take no room and are kept. */
export function clip(line: string, columns: number): string {
  let [room, clipped] = [columns, ''];
  // oxlint-disable-next-line no-control-regex -- the colours of picocolors
  for (const part of line.split(/(\u001b\[\d+m)/)) {
    if (part.startsWith('\u001b')) clipped += part;
    else {
      clipped += part.slice(0, room);
      room = Math.max(0, room - part.length);
    }
  }
  return clipped;
}
