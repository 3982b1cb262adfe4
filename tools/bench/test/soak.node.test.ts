/** Real sockets: a slice of `pnpm soak`. */
import { expect, it } from 'vitest';
import { soakTransport } from '@cluster/bench';

it('reliable delivery loses nothing, delivers nothing twice and keeps the order of each priority while the connection is cut again and again', async () => {
  const result = await soakTransport({ messages: 20_000, reconnects: 10, seed: 7 });
  expect(result).toMatchObject({ ok: true, reconnects: 10, lost: 0, deliveredTwice: 0, outOfOrder: 0 });
}, 60_000);
