/** What a terminal sends for a key, by name. Several keys may come in one piece, e.g. when pasted. */
export type Key =
  | {
      readonly type: 'named';
      readonly name:
        | 'left'
        | 'right'
        | 'up'
        | 'down'
        | 'pageUp'
        | 'pageDown'
        | 'home'
        | 'end'
        | 'enter'
        | 'escape'
        | 'backspace'
        | 'interrupt';
    }
  | { readonly type: 'character'; readonly character: string };

type Name = Extract<Key, { type: 'named' }>['name'];

const sequences: Readonly<Record<string, Name>> = {
  '\u001b[A': 'up',
  '\u001b[B': 'down',
  '\u001b[C': 'right',
  '\u001b[D': 'left',
  '\u001bOA': 'up',
  '\u001bOB': 'down',
  '\u001bOC': 'right',
  '\u001bOD': 'left',
  '\u001b[5~': 'pageUp',
  '\u001b[6~': 'pageDown',
  '\u001b[H': 'home',
  '\u001b[F': 'end',
  '\u001b[1~': 'home',
  '\u001b[4~': 'end',
  '\r': 'enter',
  '\n': 'enter',
  '\u007f': 'backspace',
  '\b': 'backspace',
  '\u0003': 'interrupt',
  '\u001b': 'escape',
};
const longestFirst = Object.keys(sequences).toSorted((a, b) => b.length - a.length);

export function readKeys(text: string): Key[] {
  const keys: Key[] = [];
  for (let rest = text; rest !== '';) {
    const known = longestFirst.find((sequence) => rest.startsWith(sequence));
    // A sequence of a key that means nothing here is swallowed whole.
    // oxlint-disable-next-line no-control-regex -- what a terminal sends
    const unknown = /^\u001b(?:\[[\d;]*[A-Za-z~]|O[A-Za-z])/.exec(rest)?.[0];
    if (unknown !== undefined && (known === undefined || known.length < unknown.length)) {
      rest = rest.slice(unknown.length);
    } else if (known !== undefined) {
      keys.push({ type: 'named', name: sequences[known] as Name });
      rest = rest.slice(known.length);
    } else {
      const [character = ''] = rest;
      if (character >= ' ') keys.push({ type: 'character', character });
      rest = rest.slice(character.length);
    }
  }
  return keys;
}
