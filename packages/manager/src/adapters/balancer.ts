import type { Balancer } from '@cluster/balancer';
import type { BalancerComponent } from '../components.ts';

export function balancerComponent(balancer: Balancer): BalancerComponent {
  return {
    setEndpoints: (endpoints) => balancer.setEndpoints(endpoints),
    setStrategy: (name) => balancer.setStrategy(name),
    pick: (request) => balancer.pick(request),
    endpoints: () => balancer.endpoints(),
    stop: () => balancer.stop(),
    metrics: () => {
      const endpoints = balancer.endpoints();
      return {
        endpoints: endpoints.length,
        endpoints_ejected: endpoints.filter(({ state }) => state === 'ejected').length,
        queries_in_flight: endpoints.reduce((sum, { inFlight }) => sum + inFlight, 0),
      };
    },
  };
}
