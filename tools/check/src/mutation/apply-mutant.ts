import type { Mutant } from './mutants.ts';

type Config = Readonly<Record<string, unknown>>;

/**
 * The configuration of a machine with one transition deleted or redirected; the original is left as it is.
 *
 * @throws Error when the configuration has no such transition.
 */
export function applyMutant(config: Config, mutant: Mutant): Config {
  return changeState(config, mutant.state, mutant);
}

function changeState(config: Config, path: readonly string[], mutant: Mutant): Config {
  const [key, ...rest] = path;
  if (key === undefined) return changeTransition(config, mutant);
  const states = config['states'] as Config | undefined;
  const state = states?.[key] as Config | undefined;
  if (state === undefined) throw missing(mutant);
  return { ...config, states: { ...states, [key]: changeState(state, rest, mutant) } };
}

function changeTransition(config: Config, mutant: Mutant): Config {
  const { kind, event } = mutant;
  if (kind === 'always' || kind === 'onDone') return { ...config, [kind]: changeList(config[kind], mutant) };
  const byEvent = config[kind] as Config | undefined;
  if (byEvent === undefined || !(event in byEvent)) throw missing(mutant);
  const { [event]: list, ...others } = byEvent;
  const changed = changeList(list, mutant);
  // Keep the place of the event: order matters to wildcards and to diagrams.
  if (changed.length > 0) return { ...config, [kind]: { ...byEvent, [event]: changed } };
  return { ...config, [kind]: others };
}

function changeList(list: unknown, mutant: Mutant): readonly unknown[] {
  const alternatives: readonly unknown[] = Array.isArray(list) ? list : [list];
  if (mutant.index >= alternatives.length) throw missing(mutant);
  const { redirect } = mutant;
  if (redirect === undefined) return alternatives.toSpliced(mutant.index, 1);
  const old = alternatives[mutant.index];
  // Dots in an id are escaped: unescaped they would be a path below the state of that id.
  const target = `#${redirect.replaceAll('.', '\\.')}`;
  return alternatives.with(
    mutant.index,
    typeof old === 'string' ? { target } : { ...(old as Config), target },
  );
}

const missing = (mutant: Mutant): Error => new Error(`There is no transition for the mutant ${mutant.id}.`);
