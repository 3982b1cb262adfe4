import { ClusterError } from '@cluster/core';

export const healthBroken = (cause: unknown): ClusterError =>
  new ClusterError({
    code: 'HEALTH_BROKEN',
    fault: 'bug',
    message: 'The health monitor has stopped after a bug in it.',
    advice: 'Please report it with the trace and the cause of this error; a new monitor may be made.',
    cause,
  });
