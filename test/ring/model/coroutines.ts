/**
 * Turns production source text into coroutines, so that a model checker can stop it before every atomic operation.
 * Runs on: any; runtime API: none
 *
 * Nothing is rewritten but control: methods become generators and calls of them `yield*`, each use of `Atomics`
 * becomes a `yield` of that operation, and a step of its own stands before each group of plain accesses to shared
 * words. Statements and their order stay those of the file. What the rules do not cover fails when the result is
 * imported (a `yield` outside of a generator is a syntax error), not silently.
 *
 * The rules count on the format of the tree: members of a class are indented by two spaces and end with `  }`.
 */

/** A change to a source text that the model must notice. */
export interface Patch {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** Which members have steps, in all sources of a model together. */
export interface SteppedNames {
  readonly methods: ReadonlySet<string>;
  /** Getters that read shared memory: they become methods. */
  readonly getters: ReadonlySet<string>;
}

/** The first line of a member. Groups: async, get, the name. */
const MEMBER = /^ {2}(?:override )?(async )?(get )?(#?[a-zA-Z]\w*)\(/;
const CLASS = /^(?:export )?(?:abstract )?class /;
const COMMENT = /^\s*(?:\/\/|\/\*|\*)/;
/** Shared memory that is read or written without `Atomics`. */
const PLAIN_ACCESS = /\b(?:words|slots)\[|this\.#slots\[|this\.#copy\(|\.bytes\.set\(|#host\.on[A-Z]/;
const CHAIN = /(?<![\w$.#])(?:this|[a-zA-Z_$][\w$]*)(?:\??\.#?[a-zA-Z_$][\w$]*)+/g;

/** Applies a patch, wherever lines are broken in the source; one that does not fit exactly once is an error. */
export function applyPatch(source: string, patch: Patch): string {
  const words = patch.from.trim().split(/\s+/).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const parts = source.split(new RegExp(words.join("\\s+")));
  if (parts.length === 2) return parts.join(patch.to.trim());
  const count = parts.length - 1;
  throw new Error(
    `${patch.file} has changed: what is to be patched occurs ${count} times, not once:\n${patch.from}`,
  );
}

/**
 * The text of one member of a class. An arrow function in a field becomes a method.
 *
 * @param name with its `#`
 */
export function memberOf(file: string, source: string, name: string): string {
  const lines = source.split("\n");
  const method = new RegExp(`^  (?:async |get )?${name}\\(`);
  const field = new RegExp(`^  readonly ${name} = `);
  const start = lines.findIndex((line) => method.test(line) || field.test(line));
  const first = lines[start];
  if (first === undefined) throw new Error(`${file} has no member ${name}: tell test/ring/model/sources.ts`);
  const end = lines.findIndex((line, index) => index >= start && (line === "  }" || line === "  };"));
  if (!field.test(first)) return lines.slice(start, end + 1).join("\n");
  if (!first.endsWith("{")) {
    // `readonly #name = (seat: number): boolean => expression;`
    const [, signature, expression] = / = (\(.*?\): \w+) => (.*);$/.exec(first) ?? [];
    return `  ${name}${signature} {\n    return ${expression};\n  }`;
  }
  const head = first.replace(`readonly ${name} = `, name).replace(/ => \{$/, " {");
  return [head, ...lines.slice(start + 1, end), "  }"].join("\n");
}

/** Finds the members of a source that have steps. */
export function steppedNames(sources: Iterable<string>): SteppedNames {
  const methods = new Set<string>();
  const getters = new Set<string>();
  for (const source of sources) {
    for (const { head, name, body } of membersOf(source)) {
      if (head[2] === undefined) methods.add(name);
      else if (/\bAtomics\.|isDrained\(/.test(body.join("\n"))) getters.add(name);
    }
  }
  return { methods, getters };
}

/** The source with every stepped member as a generator. */
export function toCoroutines(source: string, names: SteppedNames): string {
  const lines = source.split("\n");
  for (const { start, head, name, body } of membersOf(source)) {
    if (head[2] !== undefined && !names.getters.has(name)) continue;
    const [first = "", ...rest] = body;
    const text = [first.replace(MEMBER, `  *${name}(`), ...withPlainSteps(rest)].join("\n");
    lines.fill("", start, start + body.length);
    lines[start] = stepCalls(text, names).replace(/\bawait ([^;]+);/g, "yield* Model.awaited($1);");
  }
  return lines.join("\n");
}

interface Member {
  readonly start: number;
  readonly head: RegExpExecArray;
  readonly name: string;
  readonly body: string[];
}

function membersOf(source: string): Member[] {
  const found: Member[] = [];
  const lines = source.split("\n");
  let inClass = false;
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? "";
    if (CLASS.test(line)) inClass = true;
    else if (line === "}") inClass = false;
    const head = inClass ? MEMBER.exec(line) : null;
    if (head === null) continue;
    const start = index;
    while (lines[index] !== "  }" && !(index === start && line.endsWith("}"))) index++;
    const name = head[3] ?? "";
    if (name !== "constructor") found.push({ start, head, name, body: lines.slice(start, index + 1) });
  }
  return found;
}

function withPlainSteps(lines: readonly string[]): string[] {
  const out: string[] = [];
  let previous = "{";
  for (const line of lines) {
    if (!COMMENT.test(line) && line.trim() !== "") {
      const begins = /[;{}]$/.test(previous);
      if (begins && PLAIN_ACCESS.test(line) && !PLAIN_ACCESS.test(previous)) {
        out.push(`${/^\s*/.exec(line)?.[0] ?? ""}yield Model.plain();`);
      }
      previous = line;
    }
    out.push(line);
  }
  return out;
}

/** Wraps the stepped calls of a piece of code. */
function stepCalls(text: string, names: SteppedNames): string {
  const chains = new RegExp(CHAIN);
  let out = "";
  let at = 0;
  for (let match = chains.exec(text); match !== null; match = chains.exec(text)) {
    const chain = match[0];
    const end = match.index + chain.length;
    const name = /[#\w$]+$/.exec(chain)?.[0] ?? "";
    const isCall = text[end] === "(";
    const isAtomic = chain === `Atomics.${name}`;
    const isAssigned = /^\s*=[^=]/.test(text.slice(end));
    if (!isAtomic && !(isCall ? names.methods.has(name) : names.getters.has(name) && !isAssigned)) continue;
    const last = isCall ? behindParenthesis(text, end) : end;
    const args = isCall ? stepCalls(text.slice(end + 1, last - 1), names) : "";
    out += text.slice(at, match.index);
    out += isAtomic ? `(yield ${chain}(${args}))` : `(yield* Model.run(${chain}(${args})))`;
    at = chains.lastIndex = last;
  }
  return out + text.slice(at);
}

/** The index behind the parenthesis that closes the one at `open`. */
function behindParenthesis(text: string, open: number): number {
  let depth = 0;
  for (let index = open; index < text.length; index++) {
    if (text[index] === "(") depth++;
    else if (text[index] === ")" && --depth === 0) return index + 1;
  }
  throw new Error(`no closing parenthesis: ${text.slice(open, open + 80)}`);
}
