/** The errors that calls end with, by how they ended. */
import { ClusterError } from '@cluster/core';
import type { Answer, ChangeOutcome, TransferOutcome } from './core/types.ts';
import {
  aborted,
  noLeader,
  outcomeUnknown,
  sequenceTooOld,
  sessionExpired,
  timedOut,
  tooManyPending,
  tooMuchUncommitted,
} from './errors.ts';

/** @param hasSession repeating is safe then, whatever became of the proposal. */
export function answerError(
  groupId: number,
  answer: Exclude<Answer, { status: 'applied' }>,
  hasSession: boolean,
): ClusterError {
  const retry = answer.submitted && !hasSession ? 'unsafe' : 'safe';
  switch (answer.status) {
    case 'busy':
      return tooMuchUncommitted(groupId);
    case 'tooManyPending':
      return tooManyPending(groupId);
    case 'sessionExpired':
      return sessionExpired(groupId);
    case 'sequenceTooOld':
      return sequenceTooOld(groupId);
    case 'unknown':
      return outcomeUnknown(groupId, retry);
    case 'timeout':
      return answer.submitted ? timedOut(groupId, retry) : noLeader(groupId);
    case 'abandoned':
      return aborted(groupId, retry);
  }
}

const notLeader = (groupId: number, what: string): ClusterError =>
  new ClusterError({
    code: 'RAFT_NOT_LEADER',
    fault: 'caller',
    message: `Only the leader of group ${groupId} can ${what}, and this node does not lead it.`,
    advice: 'Ask the node that status() names as leader.',
    retry: 'safe',
  });

const changeInvalid = (message: string, advice: string): ClusterError =>
  new ClusterError({ code: 'RAFT_CHANGE_INVALID', fault: 'caller', message, advice });

export const memberInvalid = (nodeId: string): ClusterError =>
  changeInvalid(
    `${JSON.stringify(nodeId)} is no name of a node.`,
    'A name is 1 to 128 letters, digits, dots, underscores or hyphens.',
  );

export function changeError(groupId: number, outcome: Exclude<ChangeOutcome, 'done'>): ClusterError {
  switch (outcome) {
    case 'abandoned':
      return aborted(groupId, 'safe');
    case 'notLeader':
      return notLeader(groupId, 'change who the members are');
    case 'underWay':
    case 'alreadyJoint':
      return new ClusterError({
        code: 'RAFT_CHANGE_UNDER_WAY',
        fault: 'caller',
        message: `The members of group ${groupId} are being changed, or its lead is being handed over, already.`,
        advice:
          'Wait for the end of that; an explicit joint configuration has to be left by `transition: leave`.',
        retry: 'safe',
      });
    case 'notReady':
      return new ClusterError({
        code: 'RAFT_CHANGE_NOT_READY',
        fault: 'environment',
        message: `This leader of group ${groupId} has not committed anything yet: what its predecessor changed last is not known.`,
        advice: 'Try again in a moment; a majority of the voters must run and reach each other.',
        retry: 'safe',
      });
    case 'unfinished':
      return new ClusterError({
        code: 'RAFT_CHANGE_UNFINISHED',
        fault: 'environment',
        message: `The change of group ${groupId} was begun and is not agreed on in time, or another node leads now.`,
        advice: 'Look at status().configuration at the leader; asking for the same again is safe.',
        stateChanged: true,
        retry: 'safe',
      });
    case 'notJoint':
      return changeInvalid(
        `Group ${groupId} has no joint configuration to leave.`,
        'Look at status().configuration.',
      );
    case 'noVoters':
      return changeInvalid(`Nobody would have a vote in group ${groupId}.`, 'Leave at least one voter.');
    case 'needsJoint':
      return changeInvalid(
        `More than one voter of group ${groupId} changes at once.`,
        'Let the transition be auto or joint.',
      );
    case 'tooManyMembers':
      return changeInvalid(`Group ${groupId} would have more than 63 members.`, 'Remove some first.');
  }
}

export function transferError(groupId: number, outcome: Exclude<TransferOutcome, 'done'>): ClusterError {
  switch (outcome) {
    case 'abandoned':
      return aborted(groupId, 'safe');
    case 'notLeader':
      return notLeader(groupId, 'hand its lead over');
    case 'targetUnknown':
      return new ClusterError({
        code: 'RAFT_TRANSFER_TARGET_UNKNOWN',
        fault: 'caller',
        message: `The node that is to lead is not a voter of group ${groupId}.`,
        advice: 'Name one of the voters that status() lists.',
      });
    case 'underWay':
      return new ClusterError({
        code: 'RAFT_TRANSFER_UNDER_WAY',
        fault: 'caller',
        message: `The lead of group ${groupId} is being handed over already.`,
        advice: 'Wait for the outcome of that; it takes no longer than an election timeout.',
        retry: 'safe',
      });
    case 'failed':
      return new ClusterError({
        code: 'RAFT_TRANSFER_FAILED',
        fault: 'environment',
        message: `The node that was to lead group ${groupId} did not come to lead it in time.`,
        advice: 'Check that it runs, keeps up with the log and reaches a majority, then try again.',
        retry: 'safe',
      });
  }
}
