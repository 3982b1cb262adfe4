import {
  type ListRecorder,
  traceFormat,
  type TraceHeader,
  type TraceRecord,
  traceVersion,
} from '@cluster/core';

/** The records behind a header that says how the world was made. */
export function traceOf(
  seed: number,
  config: TraceHeader['config'],
  recorder: ListRecorder | undefined,
  note: string | undefined,
): readonly TraceRecord[] {
  if (recorder === undefined) return [];
  const header: TraceHeader = {
    kind: 'header',
    format: traceFormat,
    version: traceVersion,
    versions: {},
    config,
    seed,
    ...(note === undefined ? {} : { note }),
  };
  return [header, ...recorder.records];
}
