/** What the core of metadata is told, and what it asks for. */
import type { Address } from '@cluster/core';
import type { MemberEventType } from '../member.ts';
import type { KeyChange } from './owner-map.ts';
import type { MetadataMessage } from './messages.ts';

export type MetadataInput =
  /** `epoch`: the incarnation that this life of the member begins with. */
  | { readonly type: 'START'; readonly epoch: number }
  /** What membership has noticed; `speaks`: the member exchanges metadata. */
  | {
      readonly type: 'MEMBER';
      readonly notice: MemberEventType;
      readonly name: string;
      readonly address: Address;
      readonly speaks: boolean;
    }
  /** `value` null: deletes. */
  | { readonly type: 'WRITE'; readonly key: string; readonly value: Uint8Array | null }
  | { readonly type: 'HEARD'; readonly message: MetadataMessage };

export type MetadataEffect =
  | { readonly type: 'send'; readonly to: Address; readonly message: MetadataMessage }
  | { readonly type: 'changed'; readonly owner: string; readonly changes: readonly KeyChange[] }
  | { readonly type: 'countRefused'; readonly reason: 'incarnation' | 'too_large' | 'members' };
