import { expect, test } from 'vitest';
import { agreement } from '../src/agreement.ts';

const replica = (appliedIndex: number) => ({
  status: { appliedIndex },
  digest: null as { readonly appliedIndex: number; readonly digest: string } | null,
  asked: false,
  answer(digest: string) {
    this.digest = { appliedIndex: this.status.appliedIndex, digest };
    this.asked = false;
  },
});

test('who has not answered is not asked again, however often one looks', () => {
  const [a, b] = [replica(7), replica(7)];
  const asked: unknown[] = [];
  for (let look = 0; look < 1000; look++) expect(agreement([a, b], (one) => asked.push(one))).toBeNull();
  expect(asked).toEqual([a, b]);
});

test('who has moved on since is asked anew, who waits for the others is left alone', () => {
  const [behind, ahead] = [replica(5), replica(7)];
  agreement([behind, ahead], () => undefined);
  behind.answer('five');
  ahead.answer('seven');
  behind.status.appliedIndex = 7;
  const asked: unknown[] = [];
  expect(agreement([behind, ahead], (one) => asked.push(one))).toBeNull();
  expect(asked).toEqual([behind]);
  behind.answer('seven');
  expect(agreement([behind, ahead], () => undefined)).toBe(true);
});

test('the same log and other contents is no agreement', () => {
  const [a, b] = [replica(7), replica(7)];
  a.answer('this');
  b.answer('that');
  expect(agreement([a, b], () => undefined)).toBe(false);
});
