import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// Tests read the TypeScript sources of every package: nothing has to be built first.
const resolve = { conditions: ['@cluster/source'] };

export default defineConfig({
  resolve,
  ssr: { resolve },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'tools/*/test/**/*.test.ts'],
    reporters: ['default', './tools/check/src/count-reporter.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Vitest leaves a core alone, which on the machine that the suite's time is measured on is every second one.
    maxWorkers: Math.max(2, availableParallelism() - 1),
  },
});
