import pico from 'picocolors';
import type { Palette } from './step/render.ts';

export function makePalette(colour: boolean): Palette {
  const { bold, dim, green, yellow, cyan } = pico.createColors(colour);
  return { bold, dim, green, yellow, cyan };
}
