import type { Address } from '@cluster/core';

export interface EtcdStatus {
  readonly member: string;
  readonly leader: string | null;
}

export async function etcdStatus({ host, port }: Address): Promise<EtcdStatus> {
  const response = await fetch(`http://${host}:${port}/v3/maintenance/status`, {
    method: 'POST',
    body: '{}',
  });
  const { header, leader = '0' } = (await response.json()) as {
    header: { member_id: string };
    leader?: string;
  };
  return { member: header.member_id, leader: leader === '0' ? null : leader };
}
