/** The load generators of our own: scripts of bench/server/load/ that run on Node. */
import { runtimeCommand } from "../../../test/support/runtimes.ts";
import { Child } from "./child.ts";

/** Starts one; its argument is one JSON object. */
export function startClient(script: string, argument: object): Child {
  return new Child(
    runtimeCommand("node", new URL(`../load/${script}`, import.meta.url), [JSON.stringify(argument)]),
  );
}
