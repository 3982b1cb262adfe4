/**
 * The regular expressions of tag filters, matched in time linear in the text whatever the expression: it comes from a peer, and a
 * backtracking matcher could be made to hang on it. Understood: literals, `.`, `[a-z]`, `[^a-z]`, `\d \w \s`, escapes, groups, `|`,
 * `* + ?`, `^`, `$`; anything else is refused. As in Go, a match anywhere in the text counts.
 */
type Test = (char: string) => boolean;

type Node =
  | { readonly kind: 'test'; readonly test: Test; next: number }
  | { readonly kind: 'split'; a: number; b: number }
  | { readonly kind: 'start' | 'end'; next: number }
  | { readonly kind: 'match' };

export const patternLengthMax = 256;

class Refused extends Error {}

const classes: Readonly<Record<string, Test>> = {
  d: (char) => /^[0-9]$/.test(char),
  w: (char) => /^[0-9A-Za-z_]$/.test(char),
  s: (char) => /^[\t\n\f\r ]$/.test(char),
};

/** A piece of the program: where it begins, and the places that lead out of it. */
interface Fragment {
  readonly start: number;
  readonly exits: readonly ((target: number) => void)[];
}

class Compiler {
  readonly nodes: Node[] = [];
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  compile(): number {
    const whole = this.#alternatives();
    if (this.#at < this.#text.length) throw new Refused();
    this.#join(whole, this.#add({ kind: 'match' }));
    return whole.start;
  }

  #alternatives(): Fragment {
    let left = this.#sequence();
    while (this.#text[this.#at] === '|') {
      this.#at++;
      const right = this.#sequence();
      const start = this.#add({ kind: 'split', a: left.start, b: right.start });
      left = { start, exits: [...left.exits, ...right.exits] };
    }
    return left;
  }

  #sequence(): Fragment {
    let whole: Fragment | null = null;
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined || char === '|' || char === ')') break;
      const piece = this.#repeated();
      if (whole === null) whole = piece;
      else {
        this.#join(whole, piece.start);
        whole = { start: whole.start, exits: piece.exits };
      }
    }
    return whole ?? this.#empty();
  }

  #empty(): Fragment {
    const node = { kind: 'split' as const, a: -1, b: -1 };
    return { start: this.#add(node), exits: [(target) => void (node.a = target)] };
  }

  #repeated(): Fragment {
    const piece = this.#atom();
    const sign = this.#text[this.#at];
    if (sign !== '*' && sign !== '+' && sign !== '?') return piece;
    this.#at++;
    const node = { kind: 'split' as const, a: piece.start, b: -1 };
    const split = this.#add(node);
    const leave = (target: number): void => void (node.b = target);
    if (sign === '?') return { start: split, exits: [...piece.exits, leave] };
    this.#join(piece, split);
    return { start: sign === '+' ? piece.start : split, exits: [leave] };
  }

  #atom(): Fragment {
    const char = this.#text[this.#at++];
    switch (char) {
      case '(': {
        const inner = this.#alternatives();
        if (this.#text[this.#at++] !== ')') throw new Refused();
        return inner;
      }
      case '^':
      case '$': {
        const node = { kind: char === '^' ? ('start' as const) : ('end' as const), next: -1 };
        return { start: this.#add(node), exits: [(target) => void (node.next = target)] };
      }
      case '.':
        return this.#test((found) => found !== '\n');
      case '[':
        return this.#test(this.#set());
      case '\\':
        return this.#test(this.#escape());
      case undefined:
      case '*':
      case '+':
      case '?':
      case '{':
        throw new Refused();
      default:
        return this.#test((found) => found === char);
    }
  }

  #escape(): Test {
    const char = this.#text[this.#at++];
    if (char === undefined) throw new Refused();
    const known = Object.hasOwn(classes, char) ? classes[char] : undefined;
    if (known) return known;
    if (/[0-9A-Za-z]/.test(char)) throw new Refused();
    return (found) => found === char;
  }

  #set(): Test {
    const negated = this.#text[this.#at] === '^';
    if (negated) this.#at++;
    const tests: Test[] = [];
    for (;;) {
      const char = this.#text[this.#at++];
      if (char === undefined || (char === '[' && this.#text[this.#at] === ':')) throw new Refused();
      if (char === ']' && tests.length > 0) break;
      if (char === '\\') {
        tests.push(this.#escape());
        continue;
      }
      const [dash, high] = [this.#text[this.#at], this.#text[this.#at + 1]];
      if (dash === '-' && high !== undefined && high !== ']') {
        this.#at += 2;
        tests.push((found) => found >= char && found <= high);
      } else tests.push((found) => found === char);
    }
    return (found) => tests.some((test) => test(found)) !== negated;
  }

  #test(test: Test): Fragment {
    const node = { kind: 'test' as const, test, next: -1 };
    return { start: this.#add(node), exits: [(target) => void (node.next = target)] };
  }

  #add(node: Node): number {
    return this.nodes.push(node) - 1;
  }

  #join(fragment: Fragment, target: number): void {
    for (const exit of fragment.exits) exit(target);
  }
}

/** Null when the expression is too long, or says something that is not understood here. */
export function compilePattern(pattern: string): ((text: string) => boolean) | null {
  if (pattern.length > patternLengthMax) return null;
  const compiler = new Compiler(pattern);
  try {
    const start = compiler.compile();
    return (text) => matches(compiler.nodes, start, text);
  } catch (error) {
    if (error instanceof Refused) return null;
    throw error;
  }
}

/** All places at once, character by character: nothing is ever tried again. */
function matches(nodes: readonly Node[], start: number, text: string): boolean {
  let places = new Set<number>();
  for (let at = 0; at <= text.length; at++) {
    const reached = follow(nodes, [...places, start], at === 0, at === text.length);
    if (reached === null) return true;
    places = new Set();
    const char = text[at];
    if (char === undefined) return false;
    for (const place of reached) {
      const node = nodes[place];
      if (node?.kind === 'test' && node.test(char)) places.add(node.next);
    }
  }
  return false;
}

/** Everything that can be reached without a character; null once that is a match. */
function follow(
  nodes: readonly Node[],
  from: readonly number[],
  isStart: boolean,
  isEnd: boolean,
): Set<number> | null {
  const reached = new Set<number>();
  const waiting = [...from];
  for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
    const node = nodes[place];
    if (node === undefined || reached.has(place)) continue;
    reached.add(place);
    if (node.kind === 'match') return null;
    if (node.kind === 'split') waiting.push(node.a, node.b);
    else if ((node.kind === 'start' && isStart) || (node.kind === 'end' && isEnd)) waiting.push(node.next);
  }
  return reached;
}
