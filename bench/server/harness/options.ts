/** The options of run.ts. */
import { parseArgs } from "node:util";
import type { RuntimeName } from "../../../test/support/runtimes.ts";
import type { Row, Settings } from "./row.ts";

export const USAGE = `deno task bench [options]

  --rows=A,B          only these rows; "burn" stands for all rows that begin with "burn-", "none" for no row
  --runtimes=A,B      only these of node, bun, deno
  --seconds=N         length of a measurement (2); slow handlers take more
  --repeats=N         rounds (3); what is printed are medians
  --foreign=N         repeat a measurement when others used more than N per cent of a core meanwhile (8)
  --reruns=N          how often at most (2)
  --quick             some rows, 1 s, 1 round, no reruns; prints only, for a look
  --write-readme      put the tables into bench/README.md, those of the rows that are not measured now from latest.json
  --no-write          print only
  --list              name the rows
  --help`;

/** What was asked for. */
export interface Options {
  readonly rows: readonly Row[];
  readonly settings: Settings;
  /** Write latest.json and latest.svg. */
  readonly writes: boolean;
  readonly writesReadme: boolean;
  readonly action: "measure" | "list" | "help";
}

const RUNTIMES: readonly RuntimeName[] = ["node", "bun", "deno"];
/** Rows of a quick run: one of each kind. */
const QUICK_ROWS = ["hello", "pipelined", "burn-1ms", "mixed", "idle-websocket", "echo-1"];

/** Reads the command line. @throws Error when it makes no sense */
export function readOptions(args: readonly string[], all: readonly Row[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: "string" },
      runtimes: { type: "string" },
      seconds: { type: "string" },
      repeats: { type: "string" },
      foreign: { type: "string" },
      reruns: { type: "string" },
      quick: { type: "boolean", default: false },
      "write-readme": { type: "boolean", default: false },
      "no-write": { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const { quick } = values;
  const wanted = values.rows?.split(",") ??
    (quick ? QUICK_ROWS : all.filter(({ isExtra }) => !isExtra).map(({ id }) => id));
  const settings: Settings = {
    runtimes: runtimesIn(values.runtimes),
    seconds: number("seconds", values.seconds, quick ? 1 : 2, 1),
    repeats: number("repeats", values.repeats, quick ? 1 : 3, 1),
    foreignLimit: number("foreign", values.foreign, 8, 0),
    reruns: number("reruns", values.reruns, quick ? 0 : 2, 0),
    isQuick: quick,
  };
  return {
    rows: rowsIn(wanted, all),
    settings,
    writes: !quick && !values["no-write"],
    writesReadme: values["write-readme"],
    action: values.help ? "help" : values.list ? "list" : "measure",
  };
}

function rowsIn(wanted: readonly string[], all: readonly Row[]): Row[] {
  const matches = (name: string, { id }: Row): boolean => id === name || id.startsWith(`${name}-`);
  for (const name of wanted) {
    if (name !== "none" && !all.some((row) => matches(name, row))) {
      throw new Error(`there is no row ${name}; there are ${all.map(({ id }) => id).join(", ")}`);
    }
  }
  return all.filter((row) => wanted.some((name) => matches(name, row)));
}

function runtimesIn(text: string | undefined): RuntimeName[] {
  if (text === undefined) return [...RUNTIMES];
  const names = text.split(",");
  const unknown = names.find((name) => !(RUNTIMES as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw new Error(`there is no runtime ${unknown}; there are ${RUNTIMES.join(", ")}`);
  }
  return RUNTIMES.filter((runtime) => names.includes(runtime));
}

function number(name: string, text: string | undefined, otherwise: number, least: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!(value >= least)) throw new Error(`--${name} must be a number of at least ${least}, not ${text}`);
  return value;
}
