import { expect, test } from 'vitest';
import { answerError, changeError, transferError } from '../src/call-errors.ts';

const answers = [
  'busy',
  'tooManyPending',
  'sessionExpired',
  'sequenceTooOld',
  'unknown',
  'timeout',
  'abandoned',
] as const;
const changes = [
  'abandoned',
  'notLeader',
  'underWay',
  'alreadyJoint',
  'notReady',
  'unfinished',
  'notJoint',
  'noVoters',
  'needsJoint',
  'tooManyMembers',
] as const;
const transfers = ['abandoned', 'notLeader', 'targetUnknown', 'underWay', 'failed'] as const;

test('whatever a call ends with names its group', () => {
  const errors = [
    ...answers.flatMap((status) => [
      answerError(7, { status, submitted: false }, false),
      answerError(7, { status, submitted: true }, false),
    ]),
    ...changes.map((outcome) => changeError(7, outcome)),
    ...transfers.map((outcome) => transferError(7, outcome)),
  ];
  for (const { message } of errors) expect(message).toMatch(/[Gg]roup 7\b/);
});

test('repeating is unsafe only where something was submitted without a session', () => {
  expect(answerError(0, { status: 'abandoned', submitted: false }, false).retry).toBe('safe');
  expect(answerError(0, { status: 'abandoned', submitted: true }, true).retry).toBe('safe');
  expect(answerError(0, { status: 'abandoned', submitted: true }, false)).toMatchObject({
    retry: 'unsafe',
    stateChanged: true,
  });
});
