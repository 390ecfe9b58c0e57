/**
 * What every adapter promises (src/adapters/adapter.ts), as one suite for all of them.
 *
 * The caller says what the runtime cannot do, with the reason beside it; nothing here asks which runtime it is.
 */
import { test } from "node:test";
import type { Adapter } from "../../src/adapters/adapter.ts";
import { closingContract } from "./contract_closing.ts";
import { listeningContract } from "./contract_listening.ts";
import { streamContract } from "./contract_streams.ts";
import { type Capabilities, Stage, type Suite } from "./stage.ts";

/** Registers the suite. `label` stands before every name. */
export function contract(label: string, adapter: Adapter, can: Capabilities): void {
  const suite: Suite = {
    adapter,
    can,
    it(name, run) {
      test(`${label}: ${name}`, { timeout: 60_000 }, run);
    },
    stageOf: (script, options) => new Stage(adapter, script).listen(options),
  };
  streamContract(suite);
  closingContract(suite);
  listeningContract(suite);
}
