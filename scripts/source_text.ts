/**
 * Just enough of TypeScript's lexical grammar to look at code without its comments and strings.
 *
 * Whether a "/" starts a regular expression is decided by the token before it, which is right for formatted code.
 */

/** An `import … from`, `export … from`, bare import or `import("…")`. */
export interface ImportStatement {
  readonly specifier: string;
  /** `import type` and `export type`: gone at run time. */
  readonly typeOnly: boolean;
  /** `export * from`. */
  readonly exportsAll: boolean;
  /** Counted from 1. */
  readonly line: number;
}

const REGEXP_MAY_FOLLOW =
  /(?:^|[(,=:[!&|?{};+\-*%~^<>]|\b(?:return|typeof|case|in|of|await|yield|void|delete))\s*$/;

/**
 * The source with every character of comments, strings, regular expressions and the literal parts of templates
 * replaced by a space. Quotes, line breaks and thus all positions stay.
 */
export function codeOnly(source: string): string {
  let code = "";
  let at = 0;
  // One entry per template that is open: the depth of braces inside its current substitution.
  const templates: number[] = [];

  const keep = (end: number): void => {
    code += source.slice(at, end);
    at = end;
  };
  const blank = (end: number): void => {
    code += source.slice(at, end).replace(/[^\n]/g, " ");
    at = end;
  };
  const endOf = (pattern: RegExp): number => {
    pattern.lastIndex = at;
    const match = pattern.exec(source);
    return match === null ? source.length : match.index + match[0].length;
  };
  const templateText = (): void => {
    blank(Math.max(at, endOf(/(?:\\[\s\S]|[^\\`$]|\$(?!\{))*/y)));
    if (source.startsWith("${", at)) {
      keep(at + 2);
      templates.push(0);
    } else {
      keep(Math.min(at + 1, source.length));
    }
  };

  while (at < source.length) {
    const octet = source[at];
    if (source.startsWith("//", at)) blank(endOf(/[^\n]*/y));
    else if (source.startsWith("/*", at)) blank(endOf(/\*\//g));
    else if (octet === '"' || octet === "'") {
      const end = endOf(octet === '"' ? /"(?:\\[\s\S]|[^"\\\n])*"?/y : /'(?:\\[\s\S]|[^'\\\n])*'?/y);
      keep(at + 1);
      blank(Math.max(at, end - 1));
      keep(end);
    } else if (octet === "/" && REGEXP_MAY_FOLLOW.test(code.slice(-200))) {
      blank(endOf(/\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/?/y));
    } else if (octet === "`") {
      keep(at + 1);
      templateText();
    } else if (octet === "}" && templates.at(-1) === 0) {
      templates.pop();
      keep(at + 1);
      templateText();
    } else {
      if (templates.length > 0 && octet === "{") templates.push((templates.pop() ?? 0) + 1);
      if (templates.length > 0 && octet === "}") templates.push((templates.pop() ?? 0) - 1);
      keep(at + 1);
    }
  }
  return code;
}

const IMPORT =
  /^(import|export)\b(\s+type\b(?!\s+from\b))?([^;"']*?\bfrom\s*|\s*)(["'])( *)\4|\bimport\(\s*(["'])( *)\6/gm;

/** The imports of a source file, in order. */
export function importsOf(source: string): ImportStatement[] {
  const code = codeOnly(source);
  return Array.from(code.matchAll(IMPORT), (match) => {
    const [text, , type, names = "", , text1, , text2] = match;
    const length = (text1 ?? text2 ?? "").length;
    const end = match.index + text.length - 1;
    return {
      specifier: source.slice(end - length, end),
      typeOnly: type !== undefined,
      exportsAll: names.trimStart().startsWith("*") && text.startsWith("export"),
      line: source.slice(0, match.index).split("\n").length,
    };
  });
}
