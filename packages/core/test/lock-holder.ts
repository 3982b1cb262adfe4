// A process that takes a folder, says how that went, and stays until it is ended.
import { describeError } from '@cluster/core';
import { lockFolder } from '@cluster/core/node';

const [folder = '', owner = ''] = process.argv.slice(2);
try {
  await lockFolder(folder, { name: 'test', owner });
  process.stdout.write('locked\n');
  setInterval(() => undefined, 1000);
} catch (error) {
  process.stdout.write(`${describeError(error)}\n`);
}
