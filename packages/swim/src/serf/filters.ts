/** Whether a query is for us: every filter must match, as Serf has it. */
import { compilePattern } from './pattern.ts';
import type { QueryFilter } from './messages.ts';

export interface Own {
  readonly name: string;
  readonly tags: Readonly<Record<string, string>>;
}

export const isForUs = (filters: readonly QueryFilter[], own: Own): boolean =>
  filters.every((filter) => {
    if (filter.kind === 'nodes') return filter.nodes.includes(own.name);
    const matches = compilePattern(filter.pattern);
    const value = Object.hasOwn(own.tags, filter.tag) ? (own.tags[filter.tag] ?? '') : '';
    return matches !== null && matches(value);
  });
