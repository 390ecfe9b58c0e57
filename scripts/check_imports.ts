/**
 * Checks that dependencies run one way, that the thread boundary is visible in the imports, and that the line
 * `Runs on: …; runtime API: …` at the head of each file is there and true.
 *
 * The rules are the tables below. A folder that is not in FOLDERS is a fault: say first what it may import.
 */
import { filesIn, finishCheck } from "./files.ts";
import { codeOnly, importsOf, type ImportStatement } from "./source_text.ts";

type Thread = "I/O thread" | "worker" | "any";

interface FolderRule {
  /** What files of this folder may say in `Runs on:`. */
  readonly threads: readonly Thread[];
  /** What they may import: folders of src, or single files. */
  readonly imports: readonly string[];
  /** What they may import with `import type` besides; "*" is everything. */
  readonly types?: readonly string[];
  /** The `node:` modules that they may import. */
  readonly builtins: keyof typeof BUILTINS;
}

/** Modules that own sockets; a file that names one of them, or Deno or Bun, is an adapter. */
const NETWORK = ["net", "tls", "http", "https", "http2", "dgram", "dns", "dns/promises", "cluster"];

/** Sets of `node:` modules: an allow list, or everything but NETWORK. */
const BUILTINS = {
  none: [],
  /** Computes, and touches nothing outside the process. */
  pure: ["buffer", "crypto", "zlib"],
  "no network": undefined,
  all: undefined,
} as const satisfies Record<string, readonly string[] | undefined>;

const ANY_THREAD: readonly Thread[] = ["any", "I/O thread", "worker"];
const WORKER_SIDE: readonly Thread[] = ["any", "worker"];
const IO_SIDE: readonly Thread[] = ["any", "I/O thread"];
const GRAMMARS = ["http", "websocket", "sse"];

/** What each folder of src (and `workers`) may import. "." is the files right in src. */
const FOLDERS: Readonly<Record<string, FolderRule>> = {
  ".": {
    threads: ["any"],
    imports: ["errors.ts", "handler.ts", "options.ts"],
    types: ["*"],
    builtins: "no network",
  },
  ring: { threads: ANY_THREAD, imports: ["ring"], builtins: "none" },
  http: { threads: ANY_THREAD, imports: ["http", "errors.ts"], builtins: "pure" },
  websocket: { threads: ANY_THREAD, imports: ["websocket", "http", "errors.ts"], builtins: "pure" },
  sse: { threads: ANY_THREAD, imports: ["sse", "http", "errors.ts"], builtins: "pure" },
  messages: {
    threads: ANY_THREAD,
    imports: ["messages", "ring", ...GRAMMARS, "errors.ts"],
    builtins: "pure",
  },
  logging: {
    threads: ANY_THREAD,
    imports: ["logging", "messages", "ring", "errors.ts"],
    builtins: "no network",
  },
  adapters: { threads: IO_SIDE, imports: ["adapters", "errors.ts"], types: ["options.ts"], builtins: "all" },
  connection: {
    threads: IO_SIDE,
    imports: [
      "connection",
      "adapters/adapter.ts",
      "messages",
      "ring",
      ...GRAMMARS,
      "logging",
      "options.ts",
      "errors.ts",
    ],
    builtins: "no network",
  },
  pool: {
    threads: IO_SIDE,
    imports: [
      "pool",
      "connection",
      "adapters/adapter.ts",
      "adapters/detect.ts",
      "messages",
      "ring",
      ...GRAMMARS,
      "logging",
      "options.ts",
      "errors.ts",
    ],
    // What the pool hands to a thread, and what the thread reports through its port (its routes, too).
    types: ["worker", "router"],
    builtins: "no network",
  },
  worker: {
    threads: WORKER_SIDE,
    imports: [
      "worker",
      "router",
      "messages",
      "ring",
      ...GRAMMARS,
      "upload",
      "static",
      "logging",
      "handler.ts",
      "options.ts",
      "errors.ts",
    ],
    builtins: "no network",
  },
  router: {
    threads: WORKER_SIDE,
    imports: ["router", "worker", ...GRAMMARS, "handler.ts", "errors.ts"],
    builtins: "no network",
  },
  upload: {
    threads: WORKER_SIDE,
    imports: ["upload", "worker", ...GRAMMARS, "logging", "handler.ts", "errors.ts"],
    builtins: "no network",
  },
  static: {
    threads: WORKER_SIDE,
    imports: ["static", "worker", "http", "logging", "handler.ts", "errors.ts"],
    builtins: "no network",
  },
  workers: {
    threads: ["worker"],
    imports: ["worker", "messages", "ring", "logging", "errors.ts"],
    builtins: "no network",
  },
};

/** Files where the two sides meet by design: they may import from every folder. */
const ROOTS = ["src/server.ts", "mod.ts"];

/** The folders whose files are checked, beside mod.ts. */
const CHECKED = ["src", "workers"];

const HEAD = /^ \* Runs on: (I\/O thread|worker|any); runtime API: (none|adapters only)$/;
/** Also as a property, for `(globalThis as { Bun?: … }).Bun`, but not as a key. */
const RUNTIME_GLOBAL = /(?<![\w$])(Deno|Bun)\b(?!\s*\??:)/;
const RUNTIME_NAME_IN_STRING = /(["'])(Deno|Bun)\1/;

/** The checked files by path, with their sources. */
export type Sources = ReadonlyMap<string, string>;

/** Checks all files; returns a line for each fault. */
export function checkImports(sources: Sources): string[] {
  const faults: string[] = [];
  for (const [path, source] of sources) {
    const fault = (line: number, text: string): void => void faults.push(`${path}:${line}: ${text}`);
    if (path.endsWith("/index.ts")) fault(1, "no index.ts: name the file after what it holds");
    const imports = importsOf(source);
    for (const statement of imports) {
      if (statement.exportsAll) fault(statement.line, "no `export *`: name what is exported");
    }
    if (path === "mod.ts") continue;
    const folder = folderOf(path);
    const rule = FOLDERS[folder];
    if (rule === undefined) {
      fault(1, `the folder ${folder} is not in the table of scripts/check_imports.ts`);
      continue;
    }
    const head = headOf(sources, path);
    if (head === null) {
      fault(3, "the second line of the head is not ` * Runs on: …; runtime API: …`");
    } else {
      const thread = head[1] as Thread;
      if (!rule.threads.includes(thread)) fault(3, `nothing in ${folder} runs on: ${thread}`);
      checkThreads(path, thread, imports, sources, fault);
      checkRuntimeApi(path, head[2] === "adapters only", imports, sources, fault);
    }
    for (const statement of imports) checkImport(path, folder, rule, statement, sources, fault);
  }
  return faults;
}

type Fault = (line: number, text: string) => void;

function checkImport(
  path: string,
  folder: string,
  rule: FolderRule,
  statement: ImportStatement,
  sources: Sources,
  fault: Fault,
): void {
  const { specifier, line, typeOnly } = statement;
  if (specifier.startsWith("node:")) {
    if (typeOnly) return;
    const allowed: readonly string[] | undefined = BUILTINS[rule.builtins];
    const name = specifier.slice("node:".length);
    const network = rule.builtins !== "all" && NETWORK.includes(name);
    if (network || (allowed !== undefined && !allowed.includes(name))) {
      fault(line, `${folder} may not import ${specifier}`);
    }
  } else if (!specifier.startsWith(".")) {
    fault(line, `"${specifier}" is no relative path and no node: module; src has no dependencies`);
  } else {
    const target = resolve(path, specifier);
    if (!sources.has(target)) return fault(line, `${target} does not exist`);
    if (target === "mod.ts") return fault(line, "inside the library import the file itself, not mod.ts");
    if (ROOTS.includes(path)) return;
    const allowed = typeOnly ? [...rule.imports, ...(rule.types ?? [])] : rule.imports;
    const inside = target.replace(/^src\//, "");
    if (!allowed.some((entry) => entry === "*" || entry === inside || entry === folderOf(target))) {
      fault(line, `${folder} may not import ${typeOnly ? "a type of " : ""}${inside}`);
    }
  }
}

function checkThreads(
  path: string,
  thread: Thread,
  imports: readonly ImportStatement[],
  sources: Sources,
  fault: Fault,
): void {
  if (ROOTS.includes(path)) return;
  for (const { specifier, line, typeOnly } of imports) {
    if (typeOnly || !specifier.startsWith(".")) continue;
    const target = resolve(path, specifier);
    const theirs = headOf(sources, target)?.[1];
    if (theirs === undefined || theirs === "any" || theirs === thread) continue;
    fault(line, `runs on: ${thread}, but imports ${target}, which runs on: ${theirs}`);
  }
}

function checkRuntimeApi(
  path: string,
  declared: boolean,
  imports: readonly ImportStatement[],
  sources: Sources,
  fault: Fault,
): void {
  const folder = folderOf(path);
  const source = sources.get(path) ?? "";
  const uses: { line: number; what: string }[] = [];
  for (const { specifier, line, typeOnly } of imports) {
    const usesRuntime = NETWORK.includes(specifier.replace(/^node:/, "")) ||
      headOf(sources, resolve(path, specifier))?.[2] === "adapters only" && folder === "adapters";
    if (!typeOnly && usesRuntime) uses.push({ line, what: specifier });
  }
  const lines = source.split("\n");
  codeOnly(source).split("\n").forEach((code, index) => {
    const name = RUNTIME_GLOBAL.exec(code)?.[1];
    if (name !== undefined) uses.push({ line: index + 1, what: name });
    // `"Deno" in globalThis`: the name stands in a string, but not in a comment or in prose.
    const text = RUNTIME_NAME_IN_STRING.exec(lines[index] ?? "");
    if (text !== null && code[text.index] === text[1]) uses.push({ line: index + 1, what: text[0] });
  });
  const first = uses[0];
  if (folder !== "adapters") {
    if (declared) fault(3, "`runtime API: adapters only` outside src/adapters");
    for (const { line, what } of uses) fault(line, `only adapters may name ${what}`);
  } else if (declared && first === undefined) {
    fault(3, "says `runtime API: adapters only`, but names no runtime and no network module");
  } else if (!declared && first !== undefined) {
    fault(3, `says \`runtime API: none\`, but line ${first.line} names ${first.what}`);
  }
}

/** The thread [1] and the runtime API [2] that a file's head declares. */
function headOf(sources: Sources, path: string): RegExpExecArray | null {
  const [first, , third = ""] = (sources.get(path) ?? "").split("\n", 3);
  return first === "/**" ? HEAD.exec(third) : null;
}

/** The key of FOLDERS for a path. */
function folderOf(path: string): string {
  const parts = path.split("/");
  if (parts[0] !== "src") return parts[0] ?? "";
  return parts.length > 2 ? parts[1] ?? "" : ".";
}

function resolve(from: string, specifier: string): string {
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}

if (import.meta.main) {
  const paths = [...CHECKED.flatMap((folder) => filesIn(folder, ".ts")), "mod.ts"];
  const sources = new Map(paths.map((path) => [path, Deno.readTextFileSync(path)]));
  finishCheck(checkImports(sources), `${sources.size} files import what they may`);
}
