import { ClusterError } from '@cluster/core';

export const endpointInvalid = (nodeId: string, problem: string): ClusterError =>
  new ClusterError({
    code: 'BALANCER_ENDPOINT_INVALID',
    fault: 'caller',
    message: `The endpoint ${JSON.stringify(nodeId)} cannot be routed to: ${problem}.`,
    advice: 'Correct it and set the endpoints again; the former ones are still in use.',
  });

export const tooManyEndpoints = (count: number, max: number): ClusterError =>
  new ClusterError({
    code: 'BALANCER_TOO_MANY_ENDPOINTS',
    fault: 'caller',
    message: `${count} endpoints are more than the configured ${max}.`,
    advice: 'Raise endpointsMax, or hand over a subset; the former endpoints are still in use.',
  });

export const balancerBroken = (cause: unknown): ClusterError =>
  new ClusterError({
    code: 'BALANCER_BROKEN',
    fault: 'bug',
    message: 'The balancer has stopped after a bug in it.',
    advice: 'Please report it with the trace and the cause of this error; a new balancer may be made.',
    cause,
  });
